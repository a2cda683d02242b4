// npm run demo: all set-up that is still missing, then the guided tour.

import { build } from "./build.mjs";
import { become } from "./lib.mjs";

if (!build()) process.exit(1);
become("dist/host/cli/main.js", ["demo", ...process.argv.slice(2)]);
