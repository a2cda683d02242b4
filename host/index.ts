// The library: what embedders import. `createMachine` boots a hypervisor image or takes up a
// snapshot; `XenControl` is the toolstack's side of it. Addresses and 64-bit values are `bigint`
// throughout.
//
//   const machine = await createMachine({ cpus: 2 });
//   const xc = new XenControl(machine);
//   await xc.upload("fix", payload);
//   await xc.checkAndWait("fix");
//   await xc.applyAndWait("fix");

export type {
  Argument,
  CallOptions,
  CallResult,
  Fault,
  HypercallOptions,
  RunOptions,
  RunResult,
  Target,
} from "./call.js";
export {
  type Behaviour,
  type CompareOptions,
  type Comparison,
  compare,
  type Difference,
} from "./compare.js";
export { type BootOptions, createMachine, type MachineOptions } from "./create.js";
export type { Instruction } from "./disasm.js";
export { errnoName, errnoNumber, strerror } from "./errno.js";
export { MachineBug, XenError } from "./error.js";
export { type Explanation, explain } from "./explain.js";
export {
  type Firmware,
  platformFirmware,
  readCertificates,
  type SignatureRequest,
} from "./firmware.js";
export type { Allocate, GuestBuffer } from "./guest.js";
export { HYPERCALLS } from "./hypercalls.js";
export { type FileSource, MINI_XEN, MINI_XEN_FRAMES, type WasmSource } from "./image.js";
export type {
  CpuInfo,
  CpuStack,
  CpuState,
  Frame,
  FrameKind,
  MachineInfo,
  StackWalk,
  TextRange,
} from "./inspect.js";
export { Machine } from "./machine.js";
export type { Patched, PatchKind, PayloadInfo } from "./map.js";
export { checkPolicy, type Operation, type Policy, parsePolicy } from "./policy.js";
export type { Refusal } from "./refusal.js";
export * from "./search/index.js";
export { type ImageSymbol, type SymbolOffset, Symbols } from "./symbols.js";
export { decodeId, encodeId, marshal, unmarshal, type XspliceOp } from "./sysctl.js";
export type { Finding, PatchRow, PayloadRow, Severity, Verdict, VerifyRow } from "./verify/row.js";
export { toSarif } from "./verify/sarif.js";
export { type PayloadSource, type VerifyOptions, verify } from "./verify/verify.js";
export {
  type ActionOptions,
  type Completion,
  type Hypervisor,
  type ListResult,
  type Summary,
  XenControl,
  type XenControlOptions,
} from "./xc.js";
