// `revert <id>`: puts back what an applied payload has changed. R165-R174.

import { actionCommand } from "./actions.js";

export const command = actionCommand("revert");
