/*
 * Recipe of the sample payloads. What a payload has to know of the hypervisor, addresses, sizes,
 * call sites, is looked up in the built mini-Xen with nm and objdump, as an author does with
 * xen-syms.
 */
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { CFLAGS, MINI_XEN, run } from "./hypervisor.mjs";

/** Symbols of an ELF file with a size: name, address, size; names that occur twice are left out. */
function sizedSymbols(file) {
  const rows = run("nm", ["-S", file])
    .split("\n")
    .map((line) => /^([0-9a-f]{16}) ([0-9a-f]{16}) [A-Za-z] ([A-Za-z_]\w*)$/.exec(line))
    .filter(Boolean)
    .map(([, va, size, name]) => ({ name, va, size: Number.parseInt(size, 16) }));
  const count = new Map();
  for (const { name } of rows) count.set(name, (count.get(name) ?? 0) + 1);
  return rows.filter(({ name }) => count.get(name) === 1);
}

/** Disassembly by function: name -> [{va, text}]. */
function disassemble(file) {
  const functions = new Map();
  let lines = null;
  for (const line of run("objdump", ["-d", "--no-show-raw-insn", file]).split("\n")) {
    const head = /^([0-9a-f]{16}) <(.+)>:$/.exec(line);
    if (head) {
      lines = [];
      functions.set(head[2], lines);
    }
    const insn = /^([0-9a-f]{16}):\t(.*)$/.exec(line);
    if (insn && lines) lines.push({ va: BigInt(`0x${insn[1]}`), text: insn[2] });
  }
  return functions;
}

/** Direct branches to a function: the caller and the offset of the displacement in it. */
function callSites(functions, callee) {
  const sites = [];
  for (const [name, lines] of functions) {
    for (const { va, text } of lines) {
      if (!new RegExp(`^(call|jmp) .*<${callee}>$`).test(text)) continue;
      sites.push({ name, at: va + 1n - lines[0].va });
    }
  }
  return sites;
}

/** Virtual address of a NUL-terminated string in the file's loaded segments. */
function stringAddress(file, text) {
  const elf = readFileSync(file);
  const at = BigInt(elf.indexOf(Buffer.from(`${text}\0`)));
  for (let i = 0; i < elf.readUInt16LE(56); i++) {
    const ph = Number(elf.readBigUInt64LE(32)) + i * elf.readUInt16LE(54);
    const offset = elf.readBigUInt64LE(ph + 8);
    if (elf.readUInt32LE(ph) === 1 && at >= offset && at < offset + elf.readBigUInt64LE(ph + 32)) {
      return elf.readBigUInt64LE(ph + 16) + at - offset;
    }
  }
  throw new Error(`no such string in the image: ${text}`);
}

/** image.h: what payloads ask about the mini-Xen that they are for. */
function imageHeader(image, buildId) {
  const functions = disassemble(image);
  const sites = callSites(functions, "account_tick").map(
    ({ name, at }, i) => `X(${name}, ${at}, ${i})`,
  );
  const table = functions
    .get("vm_assist")
    .map(({ text }) => /^lea .*# ([0-9a-f]{16})/.exec(text))
    .find(Boolean)[1];
  const text = "operation not permitted for this domain";
  return [
    `#define BUILD_ID "${buildId}"`,
    ...sizedSymbols(image).flatMap(({ name, va, size }) => [
      `#define ADDR_${name} 0x${va}`,
      `#define OLD_SIZE_${name} ${size}`,
    ]),
    `#define SITES_account_tick(X) ${sites.join(" ")}`,
    `#define ADDR_vm_assist_table 0x${table}`,
    `#define ADDR_text 0x${stringAddress(image, text).toString(16)}`,
    `#define TEXT_SIZE ${text.length + 1}`,
    "",
  ].join("\n");
}

/** sizes.h of the first and of the second pass over one source. */
function sizesHeader(object) {
  if (!object) return "#define SIZE_OF(x) 1\n";
  const sizes = sizedSymbols(object).map(({ name, size }) => `#define SIZE_OF_${name} ${size}\n`);
  return `${sizes.join("")}#define SIZE_OF(x) SIZE_OF_##x\n`;
}

/** Compiles NAME.c, with NAME.S and NAME.lds if it has them, into `out`. */
function buildPayload(images, name, build, work, out) {
  const root = join(images, "payloads");
  const object = join(work, `${name}.o`);
  const flags = [
    ...CFLAGS,
    ...build.flags,
    "-fno-partial-inlining",
    "-Wno-missing-field-initializers",
    `-ffile-prefix-map=${images}=.`,
    "-I../../include",
    "-I../mini-xen/include",
    "-I.",
    `-I${work}`,
  ];
  writeFileSync(join(work, "sizes.h"), sizesHeader());
  run("gcc", [...flags, "-c", `${name}.c`, "-o", object], root);
  writeFileSync(join(work, "sizes.h"), sizesHeader(object));
  run("gcc", [...flags, "-c", `${name}.c`, "-o", object], root);
  let result = object;
  if (existsSync(join(root, `${name}.S`))) {
    const entry = join(work, `${name}-asm.o`);
    run("gcc", [...flags, "-c", `${name}.S`, "-o", entry], root);
    result = join(work, `${name}-joined.o`);
    run("ld", ["-r", "-T", `${name}.lds`, "-o", result, entry, object], root);
  }
  run("objcopy", [
    "--remove-section",
    ".comment",
    "--remove-section",
    ".note.GNU-stack",
    result,
    out,
  ]);
}

/** The payloads of these names, for the image, which was built as `build` says. */
export function buildPayloads(images, names, work, image, out, build = MINI_XEN) {
  writeFileSync(join(work, "image.h"), imageHeader(image, build.buildId));
  return names.map((name) => {
    buildPayload(images, name, build, work, join(out, `${name}.xsplice`));
    return `${name}.xsplice`;
  });
}

/** All payloads, by the names of their C files. */
export function payloadNames(images) {
  return readdirSync(join(images, "payloads"))
    .filter((f) => f.endsWith(".c"))
    .sort()
    .map((file) => basename(file, ".c"));
}
