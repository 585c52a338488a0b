// Conversations in IndexedDB, one record each. Without IndexedDB (private windows of some browsers) nothing is kept.
import type { Conversation } from "./conversation";

const kStore = "conversations";
let opened: Promise<IDBDatabase> | null = null;

function open(): Promise<IDBDatabase> {
  opened ??= new Promise((resolve, reject) => {
    const request = indexedDB.open("nextn", 1);
    request.onupgradeneeded = () => request.result.createObjectStore(kStore, { keyPath: "id" });
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error ?? new Error("IndexedDB"));
  });
  return opened;
}

async function run<T>(mode: IDBTransactionMode, act: (store: IDBObjectStore) => IDBRequest<T>): Promise<T> {
  const database = await open();
  return new Promise((resolve, reject) => {
    const transaction = database.transaction(kStore, mode);
    const request = act(transaction.objectStore(kStore));
    transaction.oncomplete = () => resolve(request.result);
    transaction.onerror = transaction.onabort = () => reject(transaction.error ?? new Error("IndexedDB"));
  });
}

export const read_all = (): Promise<Conversation[]> => run("readonly", (store) => store.getAll());
export const read_one = (id: string): Promise<Conversation | undefined> => run("readonly", (store) => store.get(id));
export const put = (conversation: Conversation): Promise<unknown> => run("readwrite", (store) => store.put(conversation));
export const remove = (id: string): Promise<unknown> => run("readwrite", (store) => store.delete(id));
