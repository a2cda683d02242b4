// npm run lint: biome for TypeScript and JavaScript, prettier for assembly/ (biome does not know
// AssemblyScript's decorators). npm run format is the same with --write.

import { run, say } from "./lib.mjs";
import { setup } from "./setup.mjs";

setup();
const write = process.argv.includes("--write");
const node = process.execPath;
const biome = ["node_modules/@biomejs/biome/bin/biome", "check", ...(write ? ["--write"] : [])];
const prettier = ["node_modules/prettier/bin/prettier.cjs", write ? "--write" : "--check"];

let ok = run(node, biome);
ok = run(node, [...prettier, "--log-level=warn", "assembly", "tests/assembly"]) && ok;
say(ok ? "Clean." : `Not clean: see above${write ? "" : "; `npm run format` mends the layout"}.`);
process.exitCode = ok ? 0 : 1;
