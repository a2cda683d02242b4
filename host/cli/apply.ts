// `apply <id>`: makes a checked payload's patches take effect. R165-R174.

import { actionCommand } from "./actions.js";

export const command = actionCommand("apply");
