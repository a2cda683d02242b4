export const command = { usage: "demo", run: async () => 0 };
