// Where AssemblyScript's `abort` ends (asconfig: use abort=assembly/hv/panic/panic). Reaching it is
// a bug of ours, never a consequence of input: the host reports it as one (exit code 70).

// @ts-ignore: decorator
@external("hv", "panic")
declare function host_panic(message: usize, file: usize, line: u32, column: u32): void;

export function panic(message: string | null, file: string | null, line: u32, column: u32): void {
  host_panic(changetype<usize>(message), changetype<usize>(file), line, column);
  unreachable();
}
