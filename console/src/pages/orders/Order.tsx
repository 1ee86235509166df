import { useQuery, useQueryClient } from '@tanstack/react-query'
import { Link, useParams } from '@tanstack/react-router'
import { ArrowLeft, ExternalLink } from 'lucide-react'
import { api, body, type Order } from '~/api/client'
import { useFormats, useTexts } from '~/texts'
import { roleName } from '~/texts/roles'
import { OrderBadge } from '~/ui/OrderBadge'
import { Failed } from '~/ui/problems'
import { Skeleton } from '~/ui/Skeleton'
import { Actions } from './Actions'
import { nameOf, readOrder } from './orders'

export function OrderPage() {
  const texts = useTexts()
  const { id } = useParams({ from: '/orders/$id' })
  const queries = useQueryClient()
  const { data: order, error, refetch } = useQuery({ queryKey: ['order', id], queryFn: () => readOrder(id) })
  if (error && !order) return <Failed error={error} retry={() => void refetch()} />
  if (!order) return <Skeleton lines={8} />

  function moved(to: Order) {
    queries.setQueryData(['order', id], to)
    void queries.invalidateQueries({ queryKey: ['order', id] })
    void queries.invalidateQueries({ queryKey: ['orders'] })
  }

  return (
    <>
      <header>
        <div className="stack tight">
          <Link to="/orders" className="row quiet small no-print back">
            <ArrowLeft size={14} aria-hidden />
            {texts.order.back}
          </Link>
          <div className="row">
            <h1>{texts.order.title(order.number)}</h1>
            <OrderBadge status={order.status} />
          </div>
          <Placed order={order} />
        </div>
        <Actions order={order} onMoved={moved} />
      </header>
      <div className="columns">
        <div className="stack">
          <Lines order={order} />
          <History order={order} />
        </div>
        <div className="stack">
          <Customer order={order} />
          <Shipment order={order} />
        </div>
      </div>
    </>
  )
}

function Placed(props: { order: Order }) {
  const texts = useTexts()
  const formats = useFormats()
  const { created_at, expires_at, status } = props.order
  return (
    <p className="quiet">
      {texts.order.placed} <time dateTime={created_at}>{formats.dateTime(created_at)}</time>
      {status === 'pending' && expires_at && ` · ${texts.order.expires(formats.ago(expires_at))}`}
    </p>
  )
}

function Lines(props: { order: Order }) {
  const texts = useTexts()
  const { money, count } = useFormats()
  const { order } = props
  return (
    <section className="card">
      <header>
        <h2>{texts.order.lines}</h2>
      </header>
      <div className="table-box">
        <table className="table">
          <thead>
            <tr>
              <th>{texts.order.product}</th>
              <th className="number">{texts.order.quantity}</th>
              <th className="number">{texts.order.unitPrice}</th>
              <th className="number">{texts.order.lineTotal}</th>
            </tr>
          </thead>
          <tbody>
            {order.items.map((line) => (
              <tr key={line.product_id}>
                <td>
                  <Link to="/products/$id" params={{ id: line.product_id }} className="break">
                    {line.name}
                  </Link>
                  <div className="hint mono break">{line.sku}</div>
                </td>
                <td className="number">{count(line.quantity)}</td>
                <td className="number">{money(line.unit_price, order.currency)}</td>
                <td className="number">{money(line.line_total, order.currency)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      <dl className="sums">
        <Sum name={texts.order.subtotal} value={money(order.subtotal, order.currency)} />
        <Sum name={texts.order.shipping} value={money(order.shipping_cost, order.currency)} />
        <Sum name={texts.order.total} value={money(order.total, order.currency)} strong />
      </dl>
    </section>
  )
}

function Sum(props: { name: string; value: string; strong?: boolean }) {
  return (
    <div className={props.strong ? 'strong' : undefined}>
      <dt>{props.name}</dt>
      <dd className="number">{props.value}</dd>
    </div>
  )
}

function Customer(props: { order: Order }) {
  const texts = useTexts()
  const { order } = props
  const address = order.shipping_address
  return (
    <section className="card">
      <header>
        <h2>{texts.order.customer}</h2>
      </header>
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
          {address ? (
            <address className="quiet">
              {[
                address.name,
                address.line1,
                address.line2,
                [address.postal_code, address.city].filter(Boolean).join(' '),
                [address.region, address.country].filter(Boolean).join(', '),
              ]
                .filter(Boolean)
                .map((line, place) => (
                  // biome-ignore lint/suspicious/noArrayIndexKey: two lines may be the same text
                  <div key={place}>{line}</div>
                ))}
            </address>
          ) : (
            <p className="quiet">{texts.order.noAddress}</p>
          )}
        </div>
        {order.note && (
          <div>
            <h3>{texts.order.note}</h3>
            <p className="quiet pre">{order.note}</p>
          </div>
        )}
      </div>
    </section>
  )
}

function Shipment(props: { order: Order }) {
  const texts = useTexts()
  const formats = useFormats()
  const shipment = props.order.shipment
  if (!shipment) return null
  return (
    <section className="card">
      <header>
        <h2>{texts.order.shipment}</h2>
        <span className="quiet small">{formats.ago(shipment.shipped_at)}</span>
      </header>
      <div className="body">
        <div>{shipment.carrier}</div>
        {shipment.tracking_url ? (
          <a className="row mono" href={shipment.tracking_url} target="_blank" rel="noreferrer">
            {shipment.tracking_number} <ExternalLink size={14} aria-hidden />
          </a>
        ) : (
          <span className="mono">{shipment.tracking_number}</span>
        )}
      </div>
    </section>
  )
}

function History(props: { order: Order }) {
  const texts = useTexts()
  const formats = useFormats()
  const { id, version } = props.order
  const { data, error, refetch } = useQuery({
    queryKey: ['order', id, 'history', version],
    queryFn: () => body(api.GET('/api/v1/orders/{order_id}/history', { params: { path: { order_id: id } } })),
    placeholderData: (before) => before,
  })
  return (
    <section className="card">
      <header>
        <h2>{texts.order.history}</h2>
      </header>
      {error && !data ? (
        <Failed error={error} retry={() => void refetch()} />
      ) : (
        <div className="body">
          {data ? (
            <ol className="timeline">
              {data.items.toReversed().map((it) => (
                <li key={`${it.at} ${it.to}`}>
                  <OrderBadge status={it.to} />{' '}
                  <span className="quiet">
                    <time dateTime={it.at} title={formats.dateTime(it.at)}>
                      {formats.ago(it.at)}
                    </time>{' '}
                    {texts.common.by(roleName(it.actor_role, texts))}
                  </span>
                  {it.reason && <p className="pre">{it.reason}</p>}
                </li>
              ))}
            </ol>
          ) : (
            <Skeleton />
          )}
        </div>
      )}
    </section>
  )
}
