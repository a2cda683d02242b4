// Where the project is: bench runs as built JavaScript, from dist/bench/.

import { fileURLToPath } from "node:url";

export const ROOT = fileURLToPath(new URL("../../", import.meta.url));
