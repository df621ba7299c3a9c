/** A server in a process of its own, which opens the messages of a queue and waits to be killed. */
import { newServer, operation, run, told } from "./shop.ts";

const [port, database, queue] = process.argv.slice(2) as [string, string, string];
const server = await newServer(Number(port), database);
const one = operation("open", queue, { consumer: server.backend.newConsumer() });
await run(server, one);
console.log(told(one));
