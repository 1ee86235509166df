import { Link } from '@tanstack/react-router'
import type { Order } from '~/api/client'
import { useTexts } from '~/texts'
import { Card } from '~/ui/Card'

/** What the shop and other systems have noted about the order; nothing if that is nothing. */
export function Details(props: { order: Order }) {
  const texts = useTexts()
  const { purchase_order, tags, metadata, external_ref } = props.order
  const pairs = Object.entries(metadata)
  if (!purchase_order && !external_ref && !tags.length && !pairs.length) return null
  return (
    <Card title={texts.order.details}>
      <dl className="facts">
        {external_ref && (
          <div>
            <dt>{texts.order.externalRef}</dt>
            <dd className="break">
              {external_ref.channel} · <span className="mono">{external_ref.id}</span>
            </dd>
          </div>
        )}
        {purchase_order && (
          <div>
            <dt>{texts.order.purchaseOrder}</dt>
            <dd className="break">{purchase_order}</dd>
          </div>
        )}
        {tags.length > 0 && (
          <div>
            <dt>{texts.order.tags}</dt>
            <dd className="chips">
              {tags.map((it) => (
                <Link key={it} to="/orders" search={{ q: it }} className="tag break">
                  {it}
                </Link>
              ))}
            </dd>
          </div>
        )}
        {pairs.map(([name, value]) => (
          <div key={name}>
            <dt className="mono break">{name}</dt>
            <dd className="pre">{value}</dd>
          </div>
        ))}
      </dl>
    </Card>
  )
}
