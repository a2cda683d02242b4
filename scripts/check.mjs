// npm run check: types only. asc sees every file of assembly/ as an entry, so that one which nobody
// imports yet is checked too; tsc sees host/, tests/ and bench/.

import { run, say, walk } from "./lib.mjs";
import { setup } from "./setup.mjs";

setup();
const node = process.execPath;
const assembly = walk("assembly", [".ts"]).filter((file) => !file.endsWith(".d.ts"));
// 235: "only functions become exports". Here every file is an entry, so it says nothing.
const options = ["--target", "release", "-O0", "--noEmit", "--disableWarning=235"];
const asc = ["node_modules/assemblyscript/bin/asc.js", ...assembly, ...options];
const tsc = ["node_modules/typescript/bin/tsc", "-b", "tsconfig.tests.json"];

let ok = run(node, asc);
ok = run(node, tsc) && ok;
say(ok ? "Types agree." : "Types do not agree: see above.");
process.exitCode = ok ? 0 : 1;
