import type * as React from "react";
import type {
  Connection,
  Counts,
  MemberOptions,
  PresenceClient,
  PresenceEvents,
  Self,
  User,
} from "./client.js";

/** Makes *client* known to the hooks below it. Connect and destroy it where it was made. */
export function PresenceProvider(props: {
  client: PresenceClient;
  children?: React.ReactNode;
}): React.ReactElement;

export function usePresence(): PresenceClient;

/** Oneself, or what *select* takes from it: the component renders again when that differs. */
export function useSelf(): Self | null;
export function useSelf<T>(select: (me: Self | null) => T, isEqual?: (a: T, b: T) => boolean): T;

export function useUser(id: string): User | undefined;

/** The members of a server, or of all servers, without oneself. */
export function useOthers(serverId?: string, options?: MemberOptions): readonly User[];

export function useCounts(serverId: string): Counts;
export function useConnection(): Connection;

/** Calls the newest *run* for each event while the component is mounted. */
export function usePresenceEvent<K extends keyof PresenceEvents>(
  type: K,
  run: (event: PresenceEvents[K]) => void,
): void;
