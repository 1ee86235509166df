import './products.css'
import { useQuery } from '@tanstack/react-query'
import { Link, useNavigate, useSearch } from '@tanstack/react-router'
import { PackageOpen, Plus, ScanBarcode } from 'lucide-react'
import { useMemo } from 'react'
import { useList } from '~/api/lists'
import type { ProductsSearch } from '~/router'
import { useTexts } from '~/texts'
import { Empty } from '~/ui/Empty'
import { LoadMore } from '~/ui/LoadMore'
import { Failed } from '~/ui/problems'
import { SearchBox } from '~/ui/SearchBox'
import { SkeletonRows } from '~/ui/Skeleton'
import { useRows } from '~/ui/useRows'
import { ProductRow } from './ProductRow'
import { readCategories, readProducts } from './products'

export function Products() {
  const texts = useTexts()
  const search = useSearch({ from: '/products' })
  const navigate = useNavigate({ from: '/products' })
  const list = useList(['products', search], (cursor) => readProducts(search, cursor))
  const { items } = list
  const act = useMemo(
    () => ({
      open: (row: number) => items[row] && navigate({ to: '/products/$id', params: { id: items[row].id } }),
    }),
    [items, navigate],
  )
  const active = useRows(items.length, act)
  return (
    <>
      <header>
        <h1>{texts.products.title}</h1>
        <div className="row">
          <Link to="/stock-count" className="button">
            <ScanBarcode size={16} aria-hidden />
            {texts.products.count}
          </Link>
          <Link to="/products/new" className="button primary">
            <Plus size={16} aria-hidden />
            {texts.products.new}
          </Link>
        </div>
      </header>
      <div className="card">
        <Views search={search} />
        <Filters search={search} />
        {list.isError && !items.length ? (
          <Failed error={list.error} retry={() => void list.refetch()} />
        ) : list.isSuccess && !items.length ? (
          <Nothing search={search} hasMore={list.hasNextPage} />
        ) : (
          <div className="table-box">
            <table className="table cards products" aria-busy={list.isPending}>
              <Head search={search} />
              {list.isPending ? (
                <tbody>
                  <SkeletonRows rows={12} columns={7} />
                </tbody>
              ) : (
                items.map((product, row) => (
                  <ProductRow key={product.id} product={product} active={row === active} />
                ))
              )}
            </table>
          </div>
        )}
        <LoadMore hasMore={list.hasNextPage} busy={list.isFetchingNextPage} more={list.fetchNextPage} />
      </div>
    </>
  )
}

function Nothing(props: { search: ProductsSearch; hasMore: boolean }) {
  const texts = useTexts()
  const { search, hasMore } = props
  // A button below reads more.
  if (hasMore) return <p className="empty">{texts.products.lookOn}</p>
  const icon = <PackageOpen size={28} aria-hidden />
  if (!Object.keys(search).length)
    return (
      <Empty
        icon={icon}
        title={texts.products.emptyShop}
        lead={texts.products.emptyShopLead}
        action={
          <Link to="/products/new" className="button primary">
            {texts.products.new}
          </Link>
        }
      />
    )
  return (
    <Empty
      icon={icon}
      title={texts.products.empty}
      lead={search.q ? texts.products.emptySearch : texts.products.emptyView}
      action={
        <Link to="/products" className="button">
          {texts.common.reset}
        </Link>
      }
    />
  )
}

function Head(props: { search: ProductsSearch }) {
  const texts = useTexts()
  const { search } = props
  const order = search.q ? undefined : search.sort
  const next = order === 'price' ? '-price' : 'price'
  return (
    <thead>
      <tr>
        <th>{texts.products.name}</th>
        <th>{texts.products.category}</th>
        <th>{texts.products.status}</th>
        <th className="number">{texts.products.available}</th>
        <th className="number">{texts.products.reserved}</th>
        <th
          className="number"
          aria-sort={order === 'price' ? 'ascending' : order === '-price' ? 'descending' : undefined}
        >
          {search.q ? (
            texts.products.price
          ) : (
            <Link to="/products" search={{ ...search, sort: next }} replace>
              {texts.products.price} {order === 'price' ? '↑' : order === '-price' ? '↓' : ''}
            </Link>
          )}
        </th>
        <th className="number">{texts.products.threshold}</th>
      </tr>
    </thead>
  )
}

const VIEWS = ['all', 'low', 'out', 'archived'] as const

function Views(props: { search: ProductsSearch }) {
  const texts = useTexts()
  const { view = 'all', ...rest } = props.search
  return (
    <nav className="views" aria-label={texts.products.viewsLabel}>
      {VIEWS.map((name) => (
        <Link
          key={name}
          to="/products"
          search={name === 'all' ? rest : { ...rest, view: name }}
          aria-current={name === view ? 'page' : undefined}
          activeProps={{}}
        >
          {texts.products.views[name]}
        </Link>
      ))}
    </nav>
  )
}

function Filters(props: { search: ProductsSearch }) {
  const texts = useTexts()
  const navigate = useNavigate({ from: '/products' })
  const { search } = props
  const { data: categories = [] } = useQuery({ queryKey: ['categories'], queryFn: readCategories })
  const names = categories.map((it) => it.name)
  if (search.category && !names.includes(search.category)) names.unshift(search.category)
  const change = (name: keyof ProductsSearch, value: string) =>
    navigate({ search: (before) => ({ ...before, [name]: value || undefined }), replace: true })
  return (
    <div className="row filters no-print">
      <SearchBox
        value={search.q ?? ''}
        label={texts.products.search}
        onSearch={(text) => change('q', text)}
      />
      <select
        className="input"
        aria-label={texts.products.category}
        value={search.category ?? ''}
        onChange={(event) => void change('category', event.target.value)}
      >
        <option value="">{texts.products.allCategories}</option>
        {names.map((name) => (
          <option key={name}>{name}</option>
        ))}
      </select>
      {search.q ? (
        <span className="hint">{texts.products.sortedBySearch}</span>
      ) : (
        <select
          className="input"
          aria-label={texts.products.sort}
          value={search.sort ?? 'name'}
          onChange={(event) => void change('sort', event.target.value === 'name' ? '' : event.target.value)}
        >
          {Object.entries(texts.products.sorts).map(([value, text]) => (
            <option key={value} value={value}>
              {text}
            </option>
          ))}
        </select>
      )}
    </div>
  )
}
