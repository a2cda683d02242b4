// npm run bench [-- --json]: all set-up that is still missing, then the benchmarks.

import { build } from "./build.mjs";
import { become } from "./lib.mjs";

build({ tests: true });
become("dist/bench/main.js", process.argv.slice(2));
