import { Link } from '@tanstack/react-router'
import type { Order, Schemas } from '~/api/client'
import { useTexts } from '~/texts'
import { Card } from '~/ui/Card'
import { linesOf } from './address'
import { nameOf } from './orders'

/** Who ordered, and the addresses and the note of the order. */
export function Buyer(props: { order: Order }) {
  const texts = useTexts()
  const { order } = props
  return (
    <Card title={texts.order.customer}>
      <div className="body stack">
        <div className="stack tight">
          {order.customer ? (
            <>
              <strong>{nameOf(order)}</strong>
              <div className="break">
                <a href={`mailto:${order.customer.email}`}>{order.customer.email}</a>
              </div>
            </>
          ) : (
            texts.order.deleted
          )}
          <div className="small">
            <Link to="/orders" search={{ customer: order.customer_id }}>
              {texts.order.otherOrders}
            </Link>
          </div>
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
      {phone && <a href={`tel:${phone.replaceAll(/[^+\d]/g, '')}`}>{phone}</a>}
    </address>
  )
}
