// The fastest comparison outside the server: DuckDB reads the file and joins it
// with the previous state, which it keeps in memory. Answers one line for each of
//
//   load TABLE FILE        the previous state
//   compare TABLE FILE     into the table "changes"; inserted/updated/deleted
//   export FILE            the table "changes" as CSV
//   version
const { DuckDBInstance } = require('@duckdb/node-api');
const readline = require('readline');

const columns = ['objectGUID', 'dn', 'sAMAccountName', 'displayName', 'mail', 'department', 'title', 'city',
	'telephoneNumber', 'postalCode', 'userAccountControl', 'hired', 'whenChanged', 'employeeID'];
const inFile = [...columns, 'comment', 'info'];
const mapped = columns.map(c => `"${c}"`).join(', ');
const differs = columns.slice(1).map(c => `f."${c}" IS DISTINCT FROM p."${c}"`).join(' OR ');

// Nothing is left to guessing, which would cost a look at the file.
function read(file) {
	const types = inFile.map(c => `'${c}': 'VARCHAR'`).join(', ');
	return `(SELECT ${mapped} FROM read_csv('${file}', auto_detect = false, header = true, delim = ',', quote = '"', escape = '"', columns = {${types}}))`;
}

async function main() {
	const connection = await (await DuckDBInstance.create(':memory:')).connect();
	const rows = async (sql) => (await connection.runAndReadAll(sql)).getRows();
	await connection.run('SET preserve_insertion_order = false');
	const commands = {
		version: async () => (await rows('SELECT version()'))[0][0],
		load: async (table, file) => {
			await connection.run(`CREATE OR REPLACE TABLE ${table} AS SELECT * FROM ${read(file)}`);
			return 'loaded';
		},
		compare: async (table, file) => {
			await connection.run(`CREATE OR REPLACE TABLE changes AS
				SELECT CASE WHEN f."objectGUID" IS NULL THEN 'delete' WHEN p."objectGUID" IS NULL THEN 'insert' ELSE 'update' END AS command,
					coalesce(f."objectGUID", p."objectGUID") AS "objectGUID", ${columns.slice(1).map(c => `f."${c}"`).join(', ')}
				FROM ${read(file)} f FULL JOIN ${table} p ON f."objectGUID" = p."objectGUID"
				WHERE f."objectGUID" IS NULL OR p."objectGUID" IS NULL OR ${differs}`);
			return (await rows(`SELECT concat_ws('/', count(*) FILTER (command = 'insert'), count(*) FILTER (command = 'update'),
				count(*) FILTER (command = 'delete')) FROM changes`))[0][0];
		},
		export: async (file) => {
			await connection.run(`COPY changes TO '${file}' (FORMAT csv, HEADER)`);
			return 'exported';
		},
	};
	for await (const line of readline.createInterface({ input: process.stdin })) {
		const [command, ...words] = line.split(' ');
		console.log(await commands[command](...words));
	}
}

main().catch(error => {
	console.error(error.message);
	process.exit(1);
});
