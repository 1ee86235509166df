import { ChevronRight } from 'lucide-react'
import { useFormats, useTexts } from '~/texts'
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
    <>
      <tr
        className="link"
        data-active={active}
        onClick={(event) => {
          if (!(event.target as HTMLElement).closest('button, a')) onToggle(delivery.id)
        }}
      >
        <td className="wide">
          <button type="button" className="expand" aria-expanded={open} onClick={() => onToggle(delivery.id)}>
            <ChevronRight size={15} aria-hidden />
            {nameOfType(delivery.event_type, texts)}
          </button>
        </td>
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
      </tr>
      {open && (
        <tr className="detail">
          <td colSpan={5} className="wide">
            <DeliveryDetail webhook={webhook} delivery={delivery} />
          </td>
        </tr>
      )}
    </>
  )
}
