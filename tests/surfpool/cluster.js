// A real RPC server for the tests. Prints one line of JSON with its addresses, then obeys one JSON command a line:
//   {"deploy": {"id": ADDRESS, "file": PATH}}   puts a compiled program at an address
//   {"time": MILLISECONDS}                      moves the clock forward to a unix time, if it is not there yet
//   {"fund": {"address": ADDRESS, "lamports": N}}
//   {"account": {"address": ADDRESS, "lamports": N, "data": BYTES, "owner": ADDRESS}}
// and answers each with {"ok": true} or {"error": TEXT}. Ends with its standard input.
const { Surfnet } = require("@solana/surfpool-linux-x64-gnu");
const readline = require("readline");

// Slots of half a second: at mainnet's 200 ms the demo's two days are more than the 432,000 slots of the server's first
// epoch, at whose end it starts anew below slots that it has given already.
const net = Surfnet.startWithConfig({ offline: true, slotTimeMs: 500 });
// The server waits for ever once nobody has taken some hundreds of its own events.
setInterval(() => net.drainEvents(), 100);
console.log(JSON.stringify({ rpcUrl: net.rpcUrl, wsUrl: net.wsUrl }));

const lines = readline.createInterface({ input: process.stdin });
lines.on("line", (line) => {
  try {
    // Else it waits for ever while this thread waits for it.
    net.drainEvents();
    const command = JSON.parse(line);
    if (command.deploy) {
      net.deploy({ programId: command.deploy.id, soPath: command.deploy.file });
    } else if (command.time !== undefined) {
      try {
        net.timeTravelToTimestamp(command.time);
      } catch (error) {
        if (!String(error).includes("Cannot travel to past timestamp")) throw error;
      }
    } else if (command.fund) {
      net.fundSol(command.fund.address, command.fund.lamports);
    } else if (command.account) {
      const { address, lamports, data, owner } = command.account;
      net.setAccount(address, lamports, data, owner);
    } else {
      throw new Error("unknown command: " + line);
    }
    console.log(JSON.stringify({ ok: true }));
  } catch (error) {
    console.log(JSON.stringify({ error: String(error) }));
  }
});
lines.on("close", () => process.exit(0));
