"""Puts the parts of one server together, as the settings say."""

from collections.abc import Callable, Hashable
from importlib.metadata import version

from actors import Broadcaster, Timer
from presence.adapters.secret_key import Secret
from presence.adapters.tokens import issue_token
from presence.config import Config
from presence.core.memberships import Memberships
from presence.core.restoration import Run
from presence.core.rules import Rules
from presence.core.types import ServerId
from presence.core.versions import Versions
from presence.dialects.together.rest_in import DevToken
from presence.live.claims import Verify
from presence.live.clock import Clock
from presence.live.directory import Directory
from presence.live.fanout import Fanout
from presence.live.listener import Announcement
from presence.live.node import Node
from presence.live.ports import Opening
from presence.live.views.roster import Roster
from presence.live.writer import Writer
from presence.log import Happening, get_log
from presence.net.limits import NetLimits
from presence.net.session import SocketTimes
from presence.net.site import SitePlan
from presence.openapi import openapi_document

DEVELOPMENT_TTL = 24 * 3600.0


def build_node(
    config: Config, clock: Clock, opening: Opening, versions: Versions, writer: Writer
) -> Node:
    """The tables and services that the actors share, filled from the store."""
    memberships = Memberships(
        opening.servers, opening.memberships, has_everyone=config.everyone_server
    )
    roster = Roster(
        writer,
        memberships,
        shown_count=opening.shown_count,
        large_threshold=config.large_threshold,
    )
    for view in opening.leased.values():
        if view.is_visible:
            roster.put(view, is_first=False)
    directory = Directory()
    broadcaster: Broadcaster[ServerId, Announcement] = Broadcaster(
        _log_dropped, merge=Announcement.merged_with
    )
    return Node(
        clock=clock,
        run=Run(
            versions=versions,
            rules=rules_of(config),
            settled_start=opening.settled_start,
            restart_grace_ends_at=clock.now().mono + config.restart_grace_after,
        ),
        memberships=memberships,
        roster=roster,
        directory=directory,
        fanout=Fanout(broadcaster, memberships, directory, versions),
        writer=writer,
        timer=Timer(),
        revocations={each.user_id: each for each in opening.revocations},
        is_everyone_sealed=opening.was_moved_aside,
    )


def plan_site(
    config: Config,
    verify: Verify,
    secret: Secret,
    clock: Clock,
    on_crash: Callable[[BaseException], None],
) -> SitePlan:
    """What the one port is to answer, and with which limits."""
    return SitePlan(
        limits=net_limits_of(config),
        times=SocketTimes(config.socket_ping_every, config.socket_lost_after),
        max_connections_per_user=config.max_connections_per_user,
        max_requests_per_second=config.max_requests_per_second,
        verify=verify,
        issue_token=_issuer(secret, clock) if config.is_development else None,
        openapi=openapi_document(version("presence")),
        on_crash=on_crash,
        single_login=config.single_login,
    )


def rules_of(config: Config) -> Rules:
    """The settings that the rules of one user depend on."""
    return Rules(
        grace_after=config.grace_after,
        poll_grace_after=config.poll_grace_after,
        lease_after=config.lease_after,
        restart_grace_after=config.restart_grace_after,
        sweep_every=config.sweep_every,
        ping_expires_after=config.ping_expires_after,
        max_presence_changes=config.max_presence_changes,
        presence_window=config.presence_window,
        max_devices_per_user=config.max_devices_per_user,
    )


def net_limits_of(config: Config) -> NetLimits:
    """The settings that the network layer depends on."""
    return NetLimits(
        handshake_after=config.handshake_after,
        write_blocked_after=config.write_blocked_after,
        max_frames_per_second=config.max_frames_per_second,
        max_frame_bytes=config.max_frame_bytes,
        max_connections_per_address=config.max_connections_per_address,
        origins=config.origins,
        trusted_proxies=config.trusted_proxies,
        is_development=config.is_development,
    )


def _log_dropped(key: Hashable, announcement: Announcement) -> None:
    get_log().error(Happening.UPDATE_DROPPED, key=str(key), version=announcement.version)


def _issuer(secret: Secret, clock: Clock) -> Callable[[DevToken], str]:
    def issue(wanted: DevToken) -> str:
        return issue_token(
            secret.key,
            wanted.user,
            now=clock.now().wall,
            ttl=DEVELOPMENT_TTL,
            servers=wanted.servers,
        )

    return issue
