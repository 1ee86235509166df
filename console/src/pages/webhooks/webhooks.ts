import { api, body, ifMatch, type Page, type Schemas } from '~/api/client'
import { fieldErrors, Problem } from '~/api/problem'
import { given } from '~/api/query'

export type Webhook = Schemas['WebhookResponse']
export type Delivery = Schemas['DeliveryResponse']
export type Attempt = Schemas['AttemptResponse']

export const POLL_MS = 3000
// When deliveries were last sent again, by the id of their webhook.
const replayed = new Map<string, number>()

export const DELIVERY_STATUSES = ['pending', 'delivered', 'failed', 'paused'] as const

const path = (webhook: Pick<Webhook, 'id'>) => ({ path: { webhook_id: webhook.id } })
const versioned = (webhook: Pick<Webhook, 'id' | 'version'>) => ({
  ...path(webhook),
  header: ifMatch(webhook.version),
})

export async function readWebhooks(cursor?: string): Promise<Page<Webhook>> {
  const query = { limit: 50, ...given({ cursor }) }
  return body(api.GET('/api/v1/webhooks', { params: { query } }))
}

export async function readWebhook(id: string): Promise<Webhook> {
  return body(api.GET('/api/v1/webhooks/{webhook_id}', { params: path({ id }) }))
}

export async function readDeliveries(id: string, cursor?: string): Promise<Page<Delivery>> {
  const query = { limit: 50, ...given({ cursor }) }
  return body(api.GET('/api/v1/webhooks/{webhook_id}/deliveries', { params: { ...path({ id }), query } }))
}

export type Draft = Required<Schemas['CreateWebhookRequest']>

export async function createWebhook(draft: Draft): Promise<Schemas['CreatedWebhookResponse']> {
  return body(api.POST('/api/v1/webhooks', { body: draft }))
}

export async function changeWebhook(
  webhook: Webhook,
  changes: Schemas['UpdateWebhookRequest'],
): Promise<Webhook> {
  return body(api.PATCH('/api/v1/webhooks/{webhook_id}', { params: versioned(webhook), body: changes }))
}

export async function deleteWebhook(webhook: Webhook): Promise<void> {
  await body(api.DELETE('/api/v1/webhooks/{webhook_id}', { params: versioned(webhook) }))
}

export async function rotateSecret(webhook: Webhook): Promise<Schemas['RotatedSecretResponse']> {
  return body(
    api.POST('/api/v1/webhooks/{webhook_id}/rotate-secret', { params: versioned(webhook), body: {} }),
  )
}

export async function testWebhook(webhook: Webhook): Promise<Delivery> {
  return body(api.POST('/api/v1/webhooks/{webhook_id}/test', { params: path(webhook), body: {} }))
}

export async function replayDelivery(webhook: Webhook, delivery: Delivery): Promise<Delivery> {
  const params = { path: { webhook_id: webhook.id, delivery_id: delivery.id } }
  const sent: Delivery = await body(
    api.POST('/api/v1/webhooks/{webhook_id}/deliveries/{delivery_id}/replay', { params, body: {} }),
  )
  replayed.set(webhook.id, Date.now())
  return sent
}

export async function replaySpan(
  webhook: Webhook,
  span: Schemas['ReplayWebhookRequest'],
): Promise<Schemas['WebhookReplayResponse']> {
  const started: Schemas['WebhookReplayResponse'] = await body(
    api.POST('/api/v1/webhooks/{webhook_id}/replay', { params: path(webhook), body: span }),
  )
  replayed.set(webhook.id, Date.now())
  return started
}

/** Whether deliveries of a webhook were sent again in the last minute, so that its state may change any moment. */
export function isReplayed(id: string, now: number): boolean {
  return now < (replayed.get(id) ?? 0) + 60_000
}

/** The host and port of a URL, or the whole text if it is none. */
export function hostOf(url: string): string {
  return URL.canParse(url) ? new URL(url).host : url
}

/** The errors of a webhook's fields: that of a URL has a code of its own. */
export function webhookErrors(error: Error | null): Record<string, string> {
  const found = fieldErrors(error)
  if (error instanceof Problem && error.code === 'webhook-url-forbidden') found.url ??= error.message
  return found
}

/** The fields of a draft that differ from the webhook. */
export function changesOf(webhook: Webhook, draft: Draft): Schemas['UpdateWebhookRequest'] {
  const changes: Schemas['UpdateWebhookRequest'] = {}
  if (draft.url !== webhook.url) changes.url = draft.url
  if (draft.description !== webhook.description) changes.description = draft.description
  if (draft.events.toSorted().join() !== webhook.events.toSorted().join()) changes.events = draft.events
  return changes
}

/** Whether something will happen to these deliveries in the next minute. */
export function isMoving(deliveries: Delivery[], now: number): boolean {
  return deliveries.some(
    (it) =>
      it.status === 'pending' &&
      (it.next_attempt_at === null || new Date(it.next_attempt_at).getTime() < now + 60_000),
  )
}
