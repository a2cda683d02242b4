// What `verify` says about a payload: one row per payload and image. The fields up to `findings`
// are the contract of the command line; schema/verify.schema.json describes all of them.

/** `danger`: Xen would crash or hang (`code` is the errno it is refused with here), or would
 *  accept the payload and do damage (`code` is 0). */
export type Verdict = "ok" | "refused" | "danger";

export type Step = "upload" | "check" | "apply" | "revert" | "unload";

/** `error`: what is damaged. `warning`: what an author did not want. `note`: what is good to know.
 *  */
export type Severity = "error" | "warning" | "note";

export interface Finding {
  /** Stable: `nop-cuts-instruction` … */
  readonly id: string;
  readonly severity: Severity;
  /** Which part of the payload or of the hypervisor; empty for the payload as a whole. */
  readonly place: string;
  readonly message: string;
  /** What to do about it. */
  readonly hint: string;
}

/** A range of the hypervisor that the payload changes while it is applied. */
export interface PatchRow {
  readonly symbol: string;
  readonly va: string;
  /** Bytes of the function as the payload has it, of its replacement as the payload has it. */
  readonly old_size: number;
  readonly new_size: number;
  readonly kind: string;
  /** Bytes that change, before and after; absent when it did not come to that. */
  readonly size: number;
  readonly old?: string;
  readonly new?: string;
  /** Where it leads to. */
  readonly target?: string;
}

/** A symbol of the hypervisor, or of another payload, that the payload refers to. */
export interface SymbolRow {
  readonly name: string;
  /** Absent when the payload that provides it is not the hypervisor. */
  readonly va?: string;
}

/** What a payload is, as far as its file tells. */
export interface PayloadRow {
  readonly format: "xsplice" | "livepatch" | "unknown";
  readonly bytes: number;
  readonly build_id: string;
  /** Build-id that must be there right below it. */
  readonly depends: string;
  /** Build-id of the hypervisor it is for; today's format alone. */
  readonly xen_depends: string;
  readonly hooks: readonly string[];
  readonly symbols: readonly SymbolRow[];
}

export interface VerifyRow {
  readonly file: string;
  /** Present when several images were asked about. */
  readonly image?: string;
  readonly verdict: Verdict;
  /** Where it was decided; absent for `ok`. */
  readonly step?: Step;
  /** 0 or a negative errno. */
  readonly code: number;
  readonly errno?: string;
  readonly reason?: string;
  readonly message?: string;
  readonly hint?: string;
  readonly patches: readonly PatchRow[];
  readonly findings: readonly Finding[];
  readonly payload: PayloadRow;
}

/** Ranges and names that a payload claims: what two of them can fight about. */
export interface Claims {
  readonly patched: readonly { readonly va: bigint; readonly end: bigint }[];
  /** Names that must be new to the hypervisor and to all loaded payloads. */
  readonly names: readonly string[];
}

/** A row, and what is compared with the other rows. */
export interface Judged {
  readonly row: VerifyRow;
  readonly claims: Claims;
}

export const NO_CLAIMS: Claims = { patched: [], names: [] };

export const hex = (value: bigint | number): string => `0x${value.toString(16)}`;

export function hexBytes(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += byte.toString(16).padStart(2, "0");
  return text;
}
