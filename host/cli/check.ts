// `check <id>`: asks whether a payload fits this hypervisor, and changes nothing. R165-R174.

import { actionCommand } from "./actions.js";

export const command = actionCommand("check");
