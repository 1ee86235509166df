import { useFormats, useTexts } from '~/texts'
import { ExpandableRow } from '~/ui/Table'
import { nameOfType } from '../events/events'
import { DeliveryDetail } from './DeliveryDetail'
import { DeliveryBadge } from './WebhookBadge'
import type { Delivery, Webhook } from './webhooks'

/** A delivery, and under it its attempts and its event while it is open. */
export function DeliveryRow(props: {
  webhook: Webhook
  delivery: Delivery
  active: boolean
  open: boolean
  onToggle: (id: string) => void
}) {
  const { webhook, delivery, active, open, onToggle } = props
  const texts = useTexts()
  const formats = useFormats()
  const last = delivery.attempts.at(-1)
  return (
    <ExpandableRow
      title={nameOfType(delivery.event_type, texts)}
      columns={5}
      active={active}
      open={open}
      onToggle={() => onToggle(delivery.id)}
      detail={() => <DeliveryDetail webhook={webhook} delivery={delivery} />}
    >
      <td>
        <DeliveryBadge status={delivery.status} />
      </td>
      <td className="number quiet">{last?.status_code ?? (last?.error ? texts.webhooks.noAnswer : '–')}</td>
      <td className={delivery.attempts.length > 1 ? 'number quiet' : 'number quiet minor'}>
        {formats.count(delivery.attempts.length)}
        <span className="only-cards"> {texts.webhooks.attemptsOf(delivery.attempts.length)}</span>
      </td>
      <td className="quiet end" title={formats.dateTime(delivery.created_at)}>
        {formats.ago(delivery.created_at)}
      </td>
    </ExpandableRow>
  )
}
