/**
 * Calls a subscriber. Its error reaches the page's error handler and nobody else.
 * @template T
 * @param {(value: T) => void} run
 * @param {T} value
 */
export function notify(run, value) {
  try {
    run(value);
  } catch (error) {
    queueMicrotask(() => { throw error; });
  }
}

/**
 * One observable value that its owner sets.
 * @template T
 */
export class Cell {
  /** @type {Set<(value: T) => void>} */
  #runs = new Set();
  #initial;
  #value;

  /** @param {T} value */
  constructor(value) {
    this.#initial = value;
    this.#value = value;
  }

  getSnapshot = () => this.#value;

  getServerSnapshot = () => this.#initial;

  /** @param {(value: T) => void} run */
  subscribe = (run) => {
    const each = (/** @type {T} */ value) => run(value); // the same function may subscribe twice
    this.#runs.add(each);
    notify(each, this.#value);
    return () => { this.#runs.delete(each); };
  };

  /** @param {T} value */
  set(value) {
    if (Object.is(value, this.#value)) return;
    this.#value = value;
    for (const run of [...this.#runs]) if (this.#runs.has(run)) notify(run, value);
  }
}

/**
 * An observable value that follows from others. It is kept up to date while somebody
 * subscribes, and computed when it is read otherwise.
 * @template T
 */
export class Derived {
  /** @type {Cell<T>} */
  #cell;
  #count = 0;
  #revision = -1;
  /** @type {() => void} */
  #detach = () => {};
  #source;

  /**
   * @param {T} initial
   * @param {{revision: () => number, compute: () => T,
   *   attach: (change: (value?: T) => void) => () => void}} source `attach` calls back with
   *   the new value, or with none where it is to be computed anew
   */
  constructor(initial, source) {
    this.#cell = new Cell(initial);
    this.#source = source;
  }

  getSnapshot = () => {
    const revision = this.#source.revision();
    if (revision !== this.#revision) {
      this.#revision = revision;
      this.#cell.set(this.#source.compute());
    }
    return this.#cell.getSnapshot();
  };

  getServerSnapshot = () => this.#cell.getServerSnapshot();

  /** @param {(value: T) => void} run */
  subscribe = (run) => {
    if (this.#count++ === 0) this.#detach = this.#source.attach(this.#change);
    this.getSnapshot();
    const unsubscribe = this.#cell.subscribe(run);
    let isDone = false;
    return () => {
      if (isDone) return;
      isDone = true;
      unsubscribe();
      if (--this.#count === 0) this.#detach();
    };
  };

  #change = (/** @type {T=} */ value) => {
    if (value === undefined) {
      this.getSnapshot();
      return;
    }
    this.#revision = this.#source.revision();
    this.#cell.set(value);
  };
}
