// A first program of a client developer, on openapi-fetch and the types that openapi-typescript generates.
//
// `node walkthrough.ts http://localhost:5000`. It prints a line for each step and fails at the first response that differs
// from the document.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { setTimeout } from "node:timers/promises";
import createClient, { type Client } from "openapi-fetch";
import type { components, paths } from "./generated/api.d.ts";

type Problem = components["schemas"]["Problem"];
type Failure = Problem | components["schemas"]["GatewayProblem"] | undefined;
type Answer<T> = { data?: T; error?: unknown; response: Response };

const PATIENCE_SECONDS = 120;
const MORE_THAN_THERE_IS = 10_000;
const baseUrl = process.argv[2] ?? "http://localhost:5000";

function data<T>(answer: Answer<T>, status: number): NonNullable<T> {
  assert.equal(answer.response.status, status, JSON.stringify(answer.error));
  assert.ok(answer.data);
  return answer.data;
}

function problem(answer: { error?: Failure; response: Response }, status: number): Problem {
  assert.equal(answer.response.status, status, JSON.stringify(answer.error));
  assert.ok(answer.error && "code" in answer.error, "the gateway's own answer has no code");
  return answer.error;
}

async function signIn(email: string, password: string): Promise<Client<paths>> {
  const tokens = data(await createClient<paths>({ baseUrl }).POST("/api/v1/auth/login", { body: { email, password } }), 200);
  return createClient<paths>({ baseUrl, headers: { Authorization: `Bearer ${tokens.access_token}` } });
}

// Reads the feed, which is seconds behind, until the cancellation of the order.
async function followFeed(manager: Client<paths>, orderId: string) {
  const deadline = Date.now() + PATIENCE_SECONDS * 1000;
  let after: string | undefined;
  while (Date.now() < deadline) {
    const query = { type: "order.cancelled", limit: 100, ...(after === undefined ? {} : { after }) };
    const page = data(await manager.GET("/api/v1/events", { params: { query } }), 200);
    const event = page.items.find((it) => it.data["id"] === orderId);
    if (event) {
      const path = { event_id: event.id };
      assert.deepEqual(data(await manager.GET("/api/v1/events/{event_id}", { params: { path } }), 200), event);
      return event;
    }
    after = page.items.at(-1)?.id ?? after;
    if (page.items.length === 0) await setTimeout(500);
  }
  throw new Error("the event of the cancellation did not come");
}

const anyone = createClient<paths>({ baseUrl });
const email = `walkthrough-${randomUUID()}@example.com`;
const password = `walkthrough-${randomUUID()}`;
const registration = { email, password, first_name: "Ada" };
const user = data(await anyone.POST("/api/v1/auth/register", { body: registration }), 201);
console.log("registered", user.role);
assert.equal(problem(await anyone.POST("/api/v1/auth/register", { body: registration }), 409).code, "email-taken");

const customer = await signIn(email, password);
const products = data(
  await customer.GET("/api/v1/inventory/products", { params: { query: { in_stock: true, limit: 3 } } }),
  200,
).items;
console.log("products", products.map((product) => product.name).join(", "));
const product = products[0];
assert.ok(product);

const body = { items: [{ product_id: product.id, quantity: 1 }] };
const quote = data(await customer.POST("/api/v1/orders/quote", { body }), 200);
const header = { "Idempotency-Key": randomUUID() };
const order = data(await customer.POST("/api/v1/orders", { body, params: { header } }), 201);
const again = await customer.POST("/api/v1/orders", { body, params: { header } });
assert.equal(order.total, quote.total);
assert.equal(data(again, 201).id, order.id);
assert.equal(again.response.headers.get("Idempotency-Replayed"), "true");
console.log("ordered", order.number, order.total, order.currency, order.created_at);

const several = { status: ["pending", "shipped"] satisfies components["schemas"]["OrderStatus"][] };
const listed = data(await customer.GET("/api/v1/orders", { params: { query: several } }), 200).items;
assert.deepEqual(listed.map((it) => it.id), [order.id]);
console.log("listed", listed.map((it) => it.status).join(", "));

const path = { order_id: order.id };
const shown = await customer.GET("/api/v1/orders/{order_id}", { params: { path } });
assert.equal(data(shown, 200).status, "pending");
const version = { "If-Match": shown.response.headers.get("ETag") ?? "" };
const reason = { reason: "no longer needed" };
const cancel = await customer.POST("/api/v1/orders/{order_id}/cancel", {
  body: reason,
  params: { path, header: version },
});
assert.equal(data(cancel, 200).status, "cancelled");
console.log("cancelled");

const refused = problem(
  await customer.POST("/api/v1/orders/{order_id}/cancel", { body: reason, params: { path } }),
  409,
);
assert.equal(refused.code, "invalid-transition");
console.log("409", refused.code, refused.detail);
const nothing = { items: [{ product_id: product.id, quantity: 0 }] };
const invalid = problem(await customer.POST("/api/v1/orders/quote", { body: nothing }), 422);
assert.deepEqual(invalid.errors?.map((it) => it.pointer), ["#/items/0/quantity"]);
console.log("422", invalid.code, invalid.errors?.[0]?.detail);

const manager = await signIn("manager@demo.example", "demo-pass-123");
const tooMuch = { items: [{ product_id: product.id, quantity: MORE_THAN_THERE_IS }] };
const short = problem(await manager.POST("/api/v1/orders", { body: tooMuch }), 409);
assert.equal(short.code, "insufficient-stock");
assert.deepEqual(short.shortfalls?.map((it) => it.requested), [MORE_THAN_THERE_IS]);
console.log("409", short.code, short.shortfalls?.[0]?.available);
const event = await followFeed(manager, order.id);
console.log("feed", event.type, event.sequence, event.occurred_at);
