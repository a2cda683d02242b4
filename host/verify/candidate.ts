// A file that verify judges, and what it is called in the hypervisor meanwhile.

/** A file to judge: its bytes, or why they could not be read. */
export interface Candidate {
  readonly file: string;
  readonly bytes?: Uint8Array;
  readonly unreadable?: { readonly errno: string; readonly code: number; readonly message: string };
}

const NAME_MAX = 31;

/** What a payload is called while it is judged. */
export function payloadName(file: string): string {
  const base = file.slice(file.lastIndexOf("/") + 1).replace(/\.[^.]*$/, "");
  return base.replace(/[^!-~]/g, "_").slice(0, NAME_MAX) || "payload";
}
