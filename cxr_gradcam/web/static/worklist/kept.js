// What a reload of the page brings back, in the browser's own store: encrypted, by a key that goes
// with the tab. The server keeps nothing of it.

const NAME = "cxr-gradcam";
const STORE = "kept";
const TAB = "cxr-gradcam.tab"; // in the tab's own store, which ends with it

/**
 * @typedef {{ id: string, key: JsonWebKey }} Tab
 */

export class Kept {
  /**
   * Opens the store of this tab, and removes what closed tabs have left.
   * @returns {Promise<Kept | null>} null where the browser keeps nothing, as for a page without TLS
   */
  static async open() {
    try {
      const { tab, isReload } = await tabOfNow();
      const key = await crypto.subtle.importKey("jwk", tab.key, "AES-GCM", false, USES);
      const kept = new Kept(await openDatabase(), tab.id, key, isReload);
      await kept.removeOthers();
      return kept;
    } catch {
      return null;
    }
  }

  /**
   * @param {IDBDatabase} database
   * @param {string} tab
   * @param {CryptoKey} key
   * @param {boolean} isReload whether the tab showed this page before
   */
  constructor(database, tab, key, isReload) {
    this.database = database;
    this.tab = tab;
    this.key = key;
    this.isReload = isReload;
    /** What was put last of each kind: the next one waits for it. @type {Map<string, Promise<void>>} */
    this.last = new Map();
  }

  /**
   * Keeps something under a name, "kind" or "kind/number"; what the store has no room for is not
   * kept.
   * @param {string} name
   * @param {() => Promise<Blob>} blob
   */
  put(name, blob) {
    return this.after(name, () => this.write(name, blob));
  }

  after(name, action) {
    const kind = name.split("/")[0];
    const next = (this.last.get(kind) ?? Promise.resolve()).then(action).catch(() => {});
    this.last.set(kind, next);
    return next;
  }

  /**
   * @param {string} name
   * @param {unknown} value that JSON can hold
   */
  putValue(name, value) {
    return this.put(name, async () => new Blob([JSON.stringify(value)]));
  }

  async write(name, blob) {
    const iv = crypto.getRandomValues(new Uint8Array(12));
    const plain = await (await blob()).arrayBuffer();
    const data = await crypto.subtle.encrypt({ name: "AES-GCM", iv }, this.key, plain);
    await this.ask("readwrite", (store) => store.put({ iv, data }, [this.tab, name]));
  }

  /**
   * @param {string} name
   * @returns {Promise<Blob>}
   */
  async get(name) {
    const found = await this.ask("readonly", (store) => store.get([this.tab, name]));
    if (!found) throw new DOMException(name, "NotFoundError");
    const { iv, data } = found;
    return new Blob([await crypto.subtle.decrypt({ name: "AES-GCM", iv }, this.key, data)]);
  }

  /** @param {string} name */
  async getValue(name) {
    return JSON.parse(await (await this.get(name)).text());
  }

  /**
   * Returns the values of a kind.
   * @param {string} kind
   */
  async values(kind) {
    const keys = await this.ask("readonly", (store) => store.getAllKeys(this.all(kind)));
    return Promise.all(keys.map(([, name]) => this.getValue(name)));
  }

  /** Removes everything of a kind. @param {string} kind */
  removeAll(kind) {
    return this.after(kind, () => this.ask("readwrite", (store) => store.delete(this.all(kind))));
  }

  all(kind) {
    return IDBKeyRange.bound([this.tab, `${kind}/`], [this.tab, `${kind}/\uffff`]);
  }

  // A tab that is open holds a lock of its name.
  async removeOthers() {
    navigator.locks.request(`${NAME} ${this.tab}`, () => new Promise(() => {}));
    const { held = [] } = await navigator.locks.query();
    const open = new Set(held.map(({ name }) => name));
    const keys = /** @type {[string, string][]} */ (
      await this.ask("readonly", (store) => store.getAllKeys())
    );
    const gone = keys.filter(([tab]) => tab !== this.tab && !open.has(`${NAME} ${tab}`));
    for (const key of gone) await this.ask("readwrite", (store) => store.delete(key));
  }

  /**
   * @param {IDBTransactionMode} mode
   * @param {(store: IDBObjectStore) => IDBRequest} request
   */
  ask(mode, request) {
    return answered(request(this.database.transaction(STORE, mode).objectStore(STORE)));
  }
}

/** @type {KeyUsage[]} */
const USES = ["encrypt", "decrypt"];

// A reload finds the key of before; a tab that was copied or opened anew makes one of its own.
async function tabOfNow() {
  const [navigation] = performance.getEntriesByType("navigation");
  const kept = sessionStorage.getItem(TAB);
  const isReload = /** @type {any} */ (navigation)?.type === "reload" && kept !== null;
  if (isReload) return { tab: /** @type {Tab} */ (JSON.parse(kept)), isReload };
  const key = await crypto.subtle.generateKey({ name: "AES-GCM", length: 256 }, true, USES);
  const tab = { id: crypto.randomUUID(), key: await crypto.subtle.exportKey("jwk", key) };
  sessionStorage.setItem(TAB, JSON.stringify(tab));
  return { tab, isReload };
}

function openDatabase() {
  const request = indexedDB.open(NAME, 1);
  request.onupgradeneeded = () => request.result.createObjectStore(STORE);
  return answered(request);
}

/**
 * @param {IDBRequest} request
 * @returns {Promise<any>}
 */
function answered(request) {
  return new Promise((done, fail) => {
    request.onsuccess = () => done(request.result);
    request.onerror = () => fail(request.error);
  });
}
