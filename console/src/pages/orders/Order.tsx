import '~/ui/detail.css'
import { useQuery } from '@tanstack/react-query'
import { Link, useParams } from '@tanstack/react-router'
import { ExternalLink } from 'lucide-react'
import { api, body, type Order } from '~/api/client'
import { useFormats, useTexts } from '~/texts'
import { roleName } from '~/texts/roles'
import { Card } from '~/ui/Card'
import { Loaded } from '~/ui/Loaded'
import { OrderBadge } from '~/ui/OrderBadge'
import { PageHead } from '~/ui/PageHead'
import { Table } from '~/ui/Table'
import { Actions } from './Actions'
import { Buyer } from './Buyer'
import { Details } from './Details'
import { keepMoved, readOrder } from './orders'

export function OrderPage() {
  const texts = useTexts()
  const { id } = useParams({ from: '/orders/$id' })
  const query = useQuery({ queryKey: ['order', id], queryFn: () => readOrder(id) })
  return (
    <Loaded query={query} lines={8}>
      {(order) => (
        <>
          <PageHead
            title={texts.order.title(order.number)}
            parent={{ to: '/orders', name: texts.order.back }}
            badge={<OrderBadge status={order.status} />}
            lead={<Placed order={order} />}
          >
            <Actions order={order} onMoved={(moved) => keepMoved([moved])} />
          </PageHead>
          <div className="columns">
            <div className="stack">
              <Lines order={order} />
              <History order={order} />
            </div>
            <div className="stack">
              <Buyer order={order} />
              <Shipment order={order} />
              <Details order={order} />
            </div>
          </div>
        </>
      )}
    </Loaded>
  )
}

function Placed(props: { order: Order }) {
  const texts = useTexts()
  const formats = useFormats()
  const { created_at, expires_at, status } = props.order
  return (
    <>
      {texts.order.placed} <time dateTime={created_at}>{formats.dateTime(created_at)}</time>
      {status === 'pending' && expires_at && ` · ${texts.order.expires(formats.ago(expires_at))}`}
    </>
  )
}

function Lines(props: { order: Order }) {
  const texts = useTexts()
  const { money, count } = useFormats()
  const { order } = props
  return (
    <Card title={texts.order.lines}>
      <Table
        className=""
        columns={[
          texts.order.product,
          { name: texts.order.quantity, isNumber: true, isWide: true },
          { name: texts.order.unitPrice, isNumber: true, isWide: true },
          { name: texts.order.lineTotal, isNumber: true },
        ]}
      >
        {order.items.map((line) => (
          <tr key={line.product_id}>
            <td>
              <Link to="/products/$id" params={{ id: line.product_id }} className="break">
                {line.name}
              </Link>
              <div className="hint mono break">{line.sku}</div>
              <div className="only-card hint">
                {count(line.quantity)} × {money(line.unit_price, order.currency)}
              </div>
            </td>
            <td className="number desk">{count(line.quantity)}</td>
            <td className="number desk">{money(line.unit_price, order.currency)}</td>
            <td className="number">{money(line.line_total, order.currency)}</td>
          </tr>
        ))}
      </Table>
      <dl className="sums">
        <Sum name={texts.order.subtotal} value={money(order.subtotal, order.currency)} />
        <Sum name={texts.order.shipping} value={money(order.shipping_cost, order.currency)} />
        <Sum name={texts.order.total} value={money(order.total, order.currency)} strong />
      </dl>
    </Card>
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

function Shipment(props: { order: Order }) {
  const texts = useTexts()
  const formats = useFormats()
  const shipment = props.order.shipment
  if (!shipment) return null
  return (
    <Card
      title={texts.order.shipment}
      aside={<span className="quiet small">{formats.ago(shipment.shipped_at)}</span>}
    >
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
    </Card>
  )
}

function History(props: { order: Order }) {
  const texts = useTexts()
  const formats = useFormats()
  const { id, version } = props.order
  const query = useQuery({
    queryKey: ['order', id, 'history', version],
    queryFn: () => body(api.GET('/api/v1/orders/{order_id}/history', { params: { path: { order_id: id } } })),
    placeholderData: (before) => before,
  })
  return (
    <Card title={texts.order.history}>
      <div className="body">
        <Loaded query={query}>
          {({ items }) => (
            <ol className="timeline">
              {items.toReversed().map((it) => (
                <li key={`${it.at} ${it.to}`}>
                  {it.changed.length ? (
                    texts.order.changedFields(
                      it.changed.map((name) => texts.order.fields[name] ?? name).join(', '),
                    )
                  ) : (
                    <OrderBadge status={it.to} />
                  )}{' '}
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
          )}
        </Loaded>
      </div>
    </Card>
  )
}
