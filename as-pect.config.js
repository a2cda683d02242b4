// as-pect: the tests that run inside WebAssembly. An entry is a file directly in tests/assembly/; it
// imports the specs of one area (tests/assembly/hv/…, tests/assembly/xsplice/…), because every entry
// is a compilation of some seconds. Entries named on the command line replace the list.

import { readFileSync } from "node:fs";

const options = JSON.parse(
  readFileSync(new URL("./as-pect.asconfig.json", import.meta.url), "utf8"),
);
const named = process.argv.slice(2).some((argument) => argument.endsWith(".spec.ts"));

/** Bytes of the console sink, flushed line by line, so that a failing spec shows what was printed. */
let line = "";
function console_byte(byte) {
  if (byte !== 10) line += String.fromCharCode(byte);
  else {
    process.stdout.write(`     [console] ${line}\n`);
    line = "";
  }
}

/** What the core imports from module "hv". A name that is not here fails only when it is called. */
const services = {
  console_byte,
  console: console_byte,
  firmware() {
    return 0; // specs answer by calling firmware_answer themselves
  },
  panic(_message, _file, row, column) {
    throw new Error(`hv.panic at ${row}:${column}`);
  },
};

export default {
  entries: named ? [] : ["tests/assembly/*.spec.ts"],
  include: [],
  disclude: [/node_modules/],
  instantiate(_memory, createImports, instantiate, binary) {
    const memory = new WebAssembly.Memory({ initial: options.options.initialMemory });
    const hv = {};
    for (const { module, name } of WebAssembly.Module.imports(new WebAssembly.Module(binary))) {
      if (module !== "hv") continue;
      hv[name] =
        services[name] ??
        (() => {
          throw new Error(`the specs' host does not provide hv.${name}`);
        });
    }
    return instantiate(binary, createImports({ env: { memory }, hv }));
  },
};
