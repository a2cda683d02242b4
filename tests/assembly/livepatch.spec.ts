// Entry: today's live patching, and the CPU that an image was booted on.

import "./xsplice/livepatch/bytes.spec";
