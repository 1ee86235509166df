import { useTexts } from '~/texts'
import type { Attempt, Delivery, Webhook } from './webhooks'

const COLOURS = { active: 'green', paused: 'amber', disabled: 'red' }

export function WebhookBadge(props: { webhook: Webhook }) {
  const { status, failing_since } = props.webhook
  const texts = useTexts()
  if (status === 'active' && failing_since) return <span className="badge red">{texts.webhooks.failing}</span>
  return <span className={`badge ${COLOURS[status]}`}>{texts.webhooks.statuses[status]}</span>
}

const DELIVERY_COLOURS = { pending: 'blue', delivered: 'green', failed: 'red', paused: 'amber' }

export function DeliveryBadge(props: { status: Delivery['status'] }) {
  const texts = useTexts()
  return (
    <span className={`badge ${DELIVERY_COLOURS[props.status]}`}>
      {texts.webhooks.deliveryStatuses[props.status]}
    </span>
  )
}

const ATTEMPT_COLOURS = { in_progress: 'blue', succeeded: 'green', failed: 'red', interrupted: 'amber' }

export function AttemptBadge(props: { status: Attempt['status'] }) {
  const texts = useTexts()
  return (
    <span className={`badge ${ATTEMPT_COLOURS[props.status]}`}>
      {texts.webhooks.attemptStatuses[props.status]}
    </span>
  )
}
