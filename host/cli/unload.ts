// `unload <id>`: removes a payload that is not applied. R165-R174.

import { actionCommand } from "./actions.js";

export const command = actionCommand("unload");
