import './products.css'
import { useMutation, useQuery } from '@tanstack/react-query'
import { Link, useParams } from '@tanstack/react-router'
import { useState } from 'react'
import type { Product } from '~/api/client'
import { reread, rereadIfStale } from '~/api/queries'
import { currentUser } from '~/session/session'
import { useFormats, useTexts } from '~/texts'
import { Card } from '~/ui/Card'
import { Loaded } from '~/ui/Loaded'
import { PageHead } from '~/ui/PageHead'
import { complain } from '~/ui/problems'
import { say } from '~/ui/toast'
import { AdjustStock } from './AdjustStock'
import { Ledger } from './Ledger'
import { ProductBadge } from './ProductBadge'
import { ProductForm } from './ProductForm'
import { changeProduct, keep, levelOf, type ProductStatus, readProduct } from './products'
import { Shards } from './Shards'

export function ProductPage() {
  const texts = useTexts()
  const { id } = useParams({ from: '/products/$id' })
  const query = useQuery({ queryKey: ['product', id], queryFn: () => readProduct(id) })
  return (
    <Loaded query={query} lines={8}>
      {(product) => (
        <>
          <PageHead
            title={product.name}
            parent={{ to: '/products', name: texts.products.title }}
            badge={<ProductBadge status={product.status} />}
            lead={product.sku}
            isCode
          >
            <Actions product={product} />
          </PageHead>
          <Tiles product={product} />
          <div className="columns">
            <ProductForm key={product.id} product={product} />
            <div className="stack">
              <Shards key={product.id} product={product} />
              <Facts product={product} />
            </div>
          </div>
          <Ledger product={product} />
        </>
      )}
    </Loaded>
  )
}

function Actions(props: { product: Product }) {
  const { product } = props
  const texts = useTexts()
  const [adjusting, setAdjusting] = useState(false)
  const to = product.status === 'active' ? 'archived' : 'active'
  const moving = useMutation({
    mutationFn: (of: { version: number; status: ProductStatus; isUndo?: boolean }) =>
      changeProduct(product.id, of.version, { status: of.status }),
    onSuccess: ({ version, ...saved }, { isUndo }) => {
      keep({ version, ...saved })
      void reread('products')
      const status = saved.status === 'active' ? 'archived' : 'active'
      say(
        saved.status === 'active' ? texts.product.unarchived : texts.product.archived,
        isUndo ? {} : { undo: () => moving.mutate({ version, status, isUndo: true }) },
      )
    },
    onError: (error) => {
      rereadIfStale(error, 'product', product.id)
      complain(error, texts)
    },
  })
  return (
    <div className="row">
      <button
        type="button"
        className="button"
        disabled={moving.isPending}
        onClick={() => moving.mutate({ version: product.version, status: to })}
      >
        {to === 'archived' ? texts.product.archive : texts.product.unarchive}
      </button>
      <button type="button" className="button primary" onClick={() => setAdjusting(true)}>
        {texts.product.adjust}
      </button>
      {adjusting && <AdjustStock product={product} onClose={() => setAdjusting(false)} />}
    </div>
  )
}

function Tiles(props: { product: Product }) {
  const { product } = props
  const texts = useTexts()
  const { count } = useFormats()
  const level = levelOf(product)
  const low = product.low_stock_threshold
  return (
    <dl className="tiles levels">
      <Level
        name={texts.product.available}
        value={count(product.available)}
        hint={level === 'enough' ? texts.product.availableHint : texts.products.levels[level]}
        level={level}
      />
      <Level
        name={texts.product.reserved}
        value={count(product.reserved)}
        hint={texts.product.reservedHint}
      />
      <Level name={texts.product.onHand} value={count(product.on_hand)} hint={texts.product.onHandHint} />
      <Level
        name={texts.product.lowAt}
        value={low === null ? texts.products.noThreshold : count(low)}
        hint={low === null ? '' : texts.product.lowAtHint}
      />
    </dl>
  )
}

function Level(props: { name: string; value: string; hint: string; level?: string }) {
  return (
    <div className={`tile level ${props.level ?? ''}`}>
      <dt>{props.name}</dt>
      <dd>
        <span className="value">{props.value}</span> <span className="hint">{props.hint}</span>
      </dd>
    </div>
  )
}

function Facts(props: { product: Product }) {
  const { product } = props
  const texts = useTexts()
  const { dateTime, count } = useFormats()
  const facts = [
    [texts.product.createdAt, dateTime(product.created_at)],
    [texts.product.updatedAt, dateTime(product.updated_at)],
    [texts.product.version, count(product.version)],
    [texts.product.id, product.id],
  ]
  return (
    <Card title={texts.product.facts}>
      <dl className="body stack tight">
        {facts.map(([name, value]) => (
          <div key={name} className="row spread">
            <dt className="quiet">{name}</dt>
            <dd className="break">{value}</dd>
          </div>
        ))}
        {currentUser()?.role === 'admin' && (
          <div className="row spread">
            <dt className="quiet">{texts.product.price}</dt>
            <dd>
              <Link to="/audit" search={{ action: 'product.price_changed', target: `product#${product.id}` }}>
                {texts.product.priceChanges}
              </Link>
            </dd>
          </div>
        )}
      </dl>
    </Card>
  )
}
