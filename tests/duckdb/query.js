// Answers one query, the first argument, with a line of JSON a row.
const { DuckDBInstance } = require("@duckdb/node-api");

async function main() {
  const instance = await DuckDBInstance.create();
  const connection = await instance.connect();
  const answer = await connection.runAndReadAll(process.argv[2]);
  for (const row of answer.getRowObjectsJson()) {
    console.log(JSON.stringify(row));
  }
}

main().catch((error) => {
  console.error(String(error));
  process.exit(1);
});
