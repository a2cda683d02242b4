/*
 * Recipes of the hypervisor images: mini-Xen, the same with frame pointers, and the benchmarks'
 * computing kernels.
 */
import { execFileSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { basename, extname, join } from "node:path";

/** Hypervisor C: no red zone (interrupts share the stack), no SSE, no GOT, no unwind tables. */
export const CFLAGS = [
  "-std=gnu11",
  "-O2",
  "-ffreestanding",
  "-fpie",
  "-fvisibility=hidden",
  "-mno-red-zone",
  "-mgeneral-regs-only",
  "-fno-stack-protector",
  "-fcf-protection=none",
  "-fno-asynchronous-unwind-tables",
  "-ffunction-sections",
  "-fdata-sections",
  "-fno-common",
  "-fno-ident",
  "-fno-reorder-blocks-and-partition",
  "-fno-tree-loop-distribute-patterns",
  "-Wall",
  "-Wextra",
  "-Wno-unused-parameter",
  "-Werror",
];

/** Files that show what one compiler option does to code. */
const OWN_FLAGS = {
  "arch/cache.c": ["-Os"],
  "arch/domctl.c": ["-fno-omit-frame-pointer"],
  "arch/endbr.c": ["-fcf-protection=branch"],
};

/** Parts of one function that the linker joins: only the whole keeps a name. */
const INNER_SYMBOLS = ["xen_version_body", "xen_version_high", "domctl_body", "do_domctl_arch"];
const ISLANDS = ["entry", "domctl", "common", "xen_version", "kernel", "arch_domctl", "arch"];

/** The builds of mini-Xen: the RFC's, and one whose stacks can be walked (README.md, "Frames"). */
export const MINI_XEN = { buildId: "92dd05a61556c554155b1508c9cf67d993336d28", flags: [] };
export const MINI_XEN_FRAMES = {
  buildId: "a49e0f7888cb3eb80d7384809d8238a5c7fb4c23",
  flags: ["-fno-omit-frame-pointer", "-DCONFIG_FRAME_POINTER"],
};

export function run(tool, args, cwd) {
  return execFileSync(tool, args, { cwd, encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] });
}

/** Object files in the order of their sources' names, which is the order of the symbol table. */
function compileDirectory(root, directory, flags, work) {
  const sources = readdirSync(join(root, directory))
    .filter((f) => /\.[cS]$/.test(f))
    .sort();
  return sources.map((file) => {
    const source = `${directory}/${file}`;
    const kind = extname(file) === ".S" ? "-asm" : "";
    const object = join(work, `${directory}_${basename(file, extname(file))}${kind}.o`);
    run(
      "gcc",
      [
        ...CFLAGS,
        ...flags,
        ...(OWN_FLAGS[source] ?? []),
        `-ffile-prefix-map=${root}=.`,
        "-Iinclude",
        "-c",
        source,
        "-o",
        object,
      ],
      root,
    );
    return object;
  });
}

export function buildMiniXen(images, { buildId, flags }, work, out) {
  const root = join(images, "mini-xen");
  const objects = [
    ...compileDirectory(root, "arch", flags, work),
    ...compileDirectory(root, "common", flags, work),
  ];
  // Two files called domain.c: one of them says where it is from (requirements A14, R204).
  run("objcopy", ["--redefine-sym", "domain.c=a/domain.c", join(work, "arch_domain.o")], root);
  const linked = join(work, "mini-xen.elf");
  run(
    "ld",
    [
      "-static",
      "-no-pie",
      "-nostdlib",
      "-z",
      "max-page-size=4096",
      "-z",
      "noexecstack",
      `--build-id=0x${buildId}`,
      "-T",
      "mini-xen.lds",
      "-o",
      linked,
      ...objects,
    ],
    root,
  );
  run(
    "objcopy",
    [
      ...ISLANDS.flatMap((name) => ["--rename-section", `.text.${name}=.text`]),
      "--set-section-flags",
      ".rodata=alloc,load,readonly,data,contents",
      ...INNER_SYMBOLS.flatMap((name) => ["--strip-symbol", name]),
      linked,
      out,
    ],
    root,
  );
}

/**
 * The functions that the benchmark runs in the interpreter and natively, as an image of their own.
 */
export function buildKernels(images, work, out) {
  const root = join(images, "bench");
  const object = join(work, "kernels.o");
  run("gcc", [...CFLAGS, `-ffile-prefix-map=${root}=.`, "-c", "kernels.c", "-o", object], root);
  run(
    "ld",
    [
      "-static",
      "-no-pie",
      "-nostdlib",
      "-z",
      "max-page-size=4096",
      "-z",
      "noexecstack",
      "--build-id=none",
      "-T",
      "kernels.lds",
      "-o",
      out,
      object,
    ],
    root,
  );
}
