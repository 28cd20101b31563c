// What the prover's tests have snarkjs do. In the folder of the first argument:
// `setup` makes of circuit.r1cs and tau.ptau a key with one contribution, circuit.zkey, and what verifies its proofs,
// vkey.json; `verify` says of each of proofs.json, a list of [public input, proof], whether it is right.
const fs = require("fs");
const path = require("path");
const { groth16, zKey } = require("snarkjs");

async function main([command, folder]) {
  const file = (name) => path.join(folder, name);
  const read = (name) => JSON.parse(fs.readFileSync(file(name), "utf8"));
  if (command === "setup") {
    await zKey.newZKey(file("circuit.r1cs"), file("tau.ptau"), file("initial.zkey"));
    await zKey.contribute(file("initial.zkey"), file("circuit.zkey"), "test", "of no secrecy");
    const key = await zKey.exportVerificationKey(file("circuit.zkey"));
    fs.writeFileSync(file("vkey.json"), JSON.stringify(key));
  } else {
    const key = read("vkey.json");
    const answers = [];
    for (const [input, proof] of read("proofs.json")) {
      answers.push(await groth16.verify(key, [input], proof));
    }
    console.log(JSON.stringify(answers));
  }
}

main(process.argv.slice(2)).then(
  // The curve's threads would keep the process.
  () => process.exit(0),
  (error) => {
    console.error(error);
    process.exit(1);
  },
);
