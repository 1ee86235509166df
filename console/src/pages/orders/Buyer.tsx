import { Link } from '@tanstack/react-router'
import { Pencil } from 'lucide-react'
import { useState } from 'react'
import type { Order, Schemas } from '~/api/client'
import { useTexts } from '~/texts'
import { Card } from '~/ui/Card'
import { linesOf, mailTo } from './address'
import { EditOrder } from './EditOrder'
import { isEditable } from './edit'
import { nameOf } from './orders'

/** Who ordered, and the addresses and the note of the order. */
export function Buyer(props: { order: Order }) {
  const texts = useTexts()
  const { order } = props
  const { contact } = order
  const [isEditing, setEditing] = useState(false)
  const person = order.customer ?? contact
  const others = order.customer_id ? { customer: order.customer_id } : contact && { q: contact.email }
  return (
    <Card
      title={texts.order.customer}
      aside={
        isEditable(order) && (
          <button type="button" className="button no-print" onClick={() => setEditing(true)}>
            <Pencil size={15} aria-hidden /> {texts.order.edit.open}
          </button>
        )
      }
    >
      <div className="body stack">
        <div className="stack tight">
          {person ? (
            <>
              <strong className="break">{nameOf(order)}</strong>
              <div className="break">
                <a href={mailTo(person.email)}>{person.email}</a>
              </div>
            </>
          ) : (
            texts.order.deleted
          )}
          {contact?.phone && <Phone number={contact.phone} />}
          {contact && <span className="hint">{texts.order.noAccount}</span>}
          {others && (
            <div className="small">
              <Link to="/orders" search={others}>
                {texts.order.otherOrders}
              </Link>
            </div>
          )}
        </div>
        <div>
          <h3>{texts.order.address}</h3>
          {order.shipping_address ? (
            <Address address={order.shipping_address} />
          ) : (
            <p className="quiet">{texts.order.noAddress}</p>
          )}
        </div>
        {order.billing_address && (
          <div>
            <h3>{texts.order.billingAddress}</h3>
            <Address address={order.billing_address} />
          </div>
        )}
        {order.note && (
          <div>
            <h3>{texts.order.note}</h3>
            <p className="quiet pre">{order.note}</p>
          </div>
        )}
      </div>
      {isEditing && <EditOrder order={order} onClose={() => setEditing(false)} />}
    </Card>
  )
}

function Address(props: { address: Schemas['AddressResponse'] }) {
  const { phone } = props.address
  return (
    <address className="quiet break">
      {linesOf(props.address).map((line, place) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: two lines may be the same text
        <div key={place}>{line}</div>
      ))}
      {phone && <Phone number={phone} />}
    </address>
  )
}

function Phone(props: { number: string }) {
  return <a href={`tel:${props.number.replaceAll(/[^+\d]/g, '')}`}>{props.number}</a>
}
