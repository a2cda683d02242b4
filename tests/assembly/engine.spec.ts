// Entry: the engine, from the state table to bytes in place.

import "./xsplice/action.spec";
import "./xsplice/howto.spec";
import "./xsplice/invariants.spec";
import "./xsplice/payload.spec";
import "./xsplice/stackcheck.spec";
import "./xsplice/sysctl.spec";
import "./xsplice/trampoline.spec";
import "./xsplice/undo.spec";
import "./xsplice/work.spec";
