// npm run bench [-- --json]: all set-up that is still missing, then the benchmarks.

import { build } from "./build.mjs";
import { become } from "./lib.mjs";

if (!build({ tests: true })) process.exit(1);
become("dist/bench/main.js", process.argv.slice(2));
