import type { Product } from '~/api/client'
import { useTexts } from '~/texts'
import { levelOf, type ProductStatus } from './products'

export function ProductBadge(props: { status: ProductStatus }) {
  const texts = useTexts()
  return (
    <span className={props.status === 'active' ? 'badge green' : 'badge'}>
      {texts.products.statuses[props.status]}
    </span>
  )
}

/** Says that a product is sold out or low; nothing where there is enough. */
export function LevelBadge(props: { product: Product }) {
  const texts = useTexts()
  const level = levelOf(props.product)
  if (level === 'enough') return null
  return <span className={level === 'out' ? 'badge red' : 'badge amber'}>{texts.products.levels[level]}</span>
}
