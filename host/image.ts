// Where the core's module and the embedded hypervisor image come from, and what else a caller may
// give instead: a URL, a path, bytes, a compiled module.

/** A file: its path or URL, or its bytes. */
export type FileSource = string | URL | Uint8Array;

/** The core: a file, or a module that is compiled already. */
export type WasmSource = FileSource | WebAssembly.Module;

/** The package's folder, seen from dist/host/. */
const PACKAGE = new URL("../../", import.meta.url);
const CORE = new URL("dist/core.wasm", PACKAGE);

/** The embedded hypervisor: a mini-Xen at the addresses of the RFC's examples. */
export const MINI_XEN: URL = new URL("images/mini-xen/mini-xen", PACKAGE);

/** The same hypervisor built with frame pointers: a build of its own, for payloads of its own. */
export const MINI_XEN_FRAMES: URL = new URL("images/mini-xen-frames/mini-xen-frames", PACKAGE);

/**
 * Reads a file.
 * @throws XenError `file-…`
 */
export async function readSource(source: FileSource): Promise<Uint8Array> {
  if (source instanceof Uint8Array) return source;
  const { readWhole } = await import("./read_file.js");
  return readWhole(source);
}

let compiled: Promise<WebAssembly.Module> | undefined;

/** The compiled core; the one of the package is compiled once. */
export async function loadModule(source?: WasmSource): Promise<WebAssembly.Module> {
  if (source instanceof WebAssembly.Module) return source;
  if (source !== undefined) return compile(source);
  compiled ??= compile(CORE);
  return compiled;
}

async function compile(source: FileSource): Promise<WebAssembly.Module> {
  const bytes = await readSource(source);
  return new WebAssembly.Module(bytes as Uint8Array<ArrayBuffer>);
}

/** What a machine with this image is called. */
export function imageLabel(source: FileSource): string {
  if (source instanceof Uint8Array) return "(bytes)";
  const path = source instanceof URL ? decodeURIComponent(source.pathname) : source;
  return path.slice(path.lastIndexOf("/") + 1);
}
