import './products.css'
import { useQuery } from '@tanstack/react-query'
import { Link, useNavigate, useSearch } from '@tanstack/react-router'
import { PackageOpen, Plus, ScanBarcode } from 'lucide-react'
import { useList } from '~/api/lists'
import { useFormats, useTexts } from '~/texts'
import type { Texts } from '~/texts/en'
import { current } from '~/ui/current'
import { Empty } from '~/ui/Empty'
import { ChoiceFilter } from '~/ui/filters'
import { ListFrame, ReadMore } from '~/ui/ListFrame'
import { PageHead } from '~/ui/PageHead'
import { SearchBox } from '~/ui/SearchBox'
import { type Column, Table } from '~/ui/Table'
import { useRows } from '~/ui/useRows'
import { daysLeft } from './cover'
import { ProductRow } from './ProductRow'
import { readCategories, readProducts, readRates } from './products'
import type { ProductsSearch } from './query'

export function Products() {
  const texts = useTexts()
  const search = useSearch({ from: '/products' })
  const navigate = useNavigate({ from: '/products' })
  const { today } = useFormats()
  const list = useList(['products', search], (cursor) => readProducts(search, today, cursor))
  const isSoon = search.view === 'soon'
  const rates = useQuery({ queryKey: ['rates', today], queryFn: () => readRates(today), enabled: isSoon })
  const active = useRows(list.items, {
    open: ({ id }) => navigate({ to: '/products/$id', params: { id } }),
  })
  return (
    <>
      <PageHead title={texts.products.title}>
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
      </PageHead>
      <div className="card">
        <Views search={search} />
        <Filters search={search} />
        <ListFrame
          list={list}
          empty={<Nothing search={search} hasMore={list.hasNextPage} />}
          more={isSoon ? <ReadMore list={list} label={texts.common.loadMore} read="" /> : undefined}
        >
          <Table
            className="cards products"
            columns={columnsOf(search, texts)}
            pendingRows={list.isPending && 12}
            hasBodies
          >
            {list.items.map((product, row) => (
              <ProductRow
                key={product.id}
                product={product}
                active={row === active}
                lasts={rates.data ? daysLeft(product.id, product.available, rates.data) : null}
              />
            ))}
          </Table>
        </ListFrame>
      </div>
    </>
  )
}

function Nothing(props: { search: ProductsSearch; hasMore: boolean }) {
  const texts = useTexts()
  const { search, hasMore } = props
  // A button below reads more.
  if (hasMore) return <p className="empty">{texts.products.lookOn}</p>
  if (!Object.keys(search).length)
    return (
      <Empty
        icon={PackageOpen}
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
      icon={PackageOpen}
      title={texts.products.empty}
      lead={
        search.view === 'soon'
          ? texts.products.emptySoon
          : search.q
            ? texts.products.emptySearch
            : texts.products.emptyView
      }
      action={
        <Link to="/products" className="button">
          {texts.common.reset}
        </Link>
      }
    />
  )
}

/** The columns. That of the price sorts the list, but a search has an order of its own. */
function columnsOf(search: ProductsSearch, texts: Texts): Column[] {
  const { q, sort } = search
  const direction = sort === 'price' ? 'ascending' : sort === '-price' ? 'descending' : undefined
  const arrow = { ascending: '↑', descending: '↓', none: '' }[direction ?? 'none']
  const price = q ? (
    texts.products.price
  ) : (
    <Link to="/products" search={{ ...search, sort: sort === 'price' ? '-price' : 'price' }} replace>
      {texts.products.price} {arrow}
    </Link>
  )
  return [
    texts.products.name,
    texts.products.category,
    texts.products.status,
    { name: texts.products.available, isNumber: true },
    { name: texts.products.reserved, isNumber: true },
    { name: price, isNumber: true, sorted: q ? undefined : direction },
    { name: texts.products.threshold, isNumber: true },
  ]
}

const VIEWS = ['all', 'soon', 'low', 'out', 'archived'] as const

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
          {...current(name === view)}
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
      <ChoiceFilter
        label={texts.products.category}
        all={texts.products.allCategories}
        isData
        options={names.map((name) => [name, name])}
        value={search.category}
        onChange={(category) => void change('category', category)}
      />
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
