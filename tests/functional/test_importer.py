"""The importer: the rows of files, their errors, and what they change."""

from collections.abc import Callable
from typing import Any

import pytest

from inventory import handler as inventory
from oms.core.dynamodb import batch_get
from oms.core.errors import UnavailableError
from oms.imports import reading, worker
from oms.imports.models import Import
from oms.inventory import service as products
from oms.inventory import skus
from oms.inventory.models import StockItem
from oms.inventory.service import StockedProduct
from tests.support.aws_calls import intercepted
from tests.support.faults import failing, refuse
from tests.support.imports import (
    counts,
    errors,
    imported,
    now,
    objects,
    process_once,
    process_until_finished,
    result,
    started,
    upload,
)
from tests.support.invocation import Answer, Person, invoke

pytestmark = [
    pytest.mark.usefixtures("uploads"),
    pytest.mark.filterwarnings("ignore:No application metrics to publish"),
]


def stored(sku: str) -> StockedProduct:
    ids = skus.ids_of([sku])
    return products.read_products(ids.values())[ids[sku.casefold()]]


def on_hand(*product_ids: str) -> list[int]:
    found = batch_get(StockItem, [StockItem.key(it) for it in product_ids])
    return [found[StockItem.key(it)].available + found[StockItem.key(it)].reserved for it in product_ids]


# ---- stock ----------------------------------------------------------------------------------------------------------


def test_counts_set_the_units_on_hand_and_leave_what_agrees(manager: Person, product: Callable[..., str]) -> None:
    ids = [product(stock=units) for units in (10, 10, 0, 7)]

    it = imported(manager, "stock", "sku,on_hand\nSKU-1,12\nsku-2,10\nSKU-3,5\nSKU-4,0\n")

    assert (it.status, counts(it), it.rows) == ("done", (0, 3, 1, 0), 4)
    assert on_hand(*ids) == [12, 10, 5, 0]
    assert result(it) == b""


def test_a_count_keeps_the_units_that_orders_reserve(
    manager: Person, customer: Person, order: Callable[..., Answer]
) -> None:
    order(customer)  # reserves 2 of 10

    it = imported(manager, "stock", "sku,on_hand\nSKU-1,6\n")

    assert counts(it) == (0, 1, 0, 0)
    stock = stored("SKU-1").stock
    assert (stock.available, stock.reserved) == (4, 2)


def test_a_bad_row_fails_alone_and_names_its_column(
    manager: Person, customer: Person, order: Callable[..., Answer], product: Callable[..., str]
) -> None:
    order(customer)  # reserves 2 of SKU-1
    product(stock=3)
    rows = ["SKU-1,1", "NONE,5", "SKU-2,x", ",5", "SKU-2", 'SKU-2,"5', "SKU-2,4"]

    it = imported(manager, "stock", "\r\n".join(["sku,on_hand", *rows]))

    assert counts(it) == (0, 1, 0, 6)
    assert errors(it) == [
        (1, "stock-reserved", "#/on_hand"),
        (2, "not-found", "#/sku"),
        (3, "validation-failed", "#/on_hand"),
        (4, "validation-failed", "#/sku"),
        (5, "malformed-csv", "#"),
        (6, "malformed-csv", "#"),
    ]
    assert stored("SKU-2").stock.available == 4


def test_rows_of_one_product_are_applied_in_their_order(manager: Person, product: Callable[..., str]) -> None:
    made = product(stock=1)

    it = imported(manager, "stock", "sku,on_hand\nSKU-1,5\nSKU-1,9\nSKU-1,7\n")

    assert (counts(it), on_hand(made)) == ((0, 3, 0, 0), [7])


def test_a_product_with_several_shards_is_counted(manager: Person, product: Callable[..., str]) -> None:
    made = product(stock=20)
    invoke(inventory, "PUT", f"/api/v1/inventory/products/{made}/shards", {"shards": 4}, token=manager.token)

    dry = imported(manager, "stock", "sku,on_hand\nSKU-1,20\n", dry_run=True)
    changed = imported(manager, "stock", "sku,on_hand\nSKU-1,13\n")

    assert (counts(dry), counts(changed)) == ((0, 0, 1, 0), (0, 1, 0, 0))
    found = stored("SKU-1").stock
    assert (found.available, found.item_count) == (13, 4)


# ---- products and prices --------------------------------------------------------------------------------------------

CATALOGUE = '''\
sku,name,description,category,price,stock,low_stock_threshold,attributes.roast,status
A-1,"Beans, ""dark""","One
or two lines",Coffee,12.50,30,5,dark,
A-2,Mill,,Tools,80,,,,active
'''


def test_a_file_creates_products_and_the_same_file_changes_nothing(manager: Person) -> None:
    first = imported(manager, "products", "\ufeff" + CATALOGUE)
    again = imported(manager, "products", CATALOGUE.replace("\n", "\r\n").replace("One\r\n", "One\n"))

    assert (counts(first), counts(again)) == ((2, 0, 0, 0), (0, 0, 2, 0))
    product, stock = stored("A-1")
    assert (product.name, product.description) == ('Beans, "dark"', "One\nor two lines")
    assert (product.category, product.price, product.attributes) == ("Coffee", 1250, {"roast": "dark"})
    assert (stock.available, stock.low_stock_threshold, stored("A-2").stock.low_stock_threshold) == (30, 5, None)
    assert product.created_by == manager.id


def test_a_file_changes_the_columns_that_it_has(manager: Person) -> None:
    imported(manager, "products", CATALOGUE)

    it = imported(manager, "products", "sku,name,low_stock_threshold\na-1,Beans,\nA-2,Mill,\n")

    assert counts(it) == (0, 1, 1, 0)
    product, stock = stored("A-1")
    assert (product.name, product.price, product.version) == ("Beans", 1250, 2)
    assert (stock.name, stock.low_stock_threshold, stock.available) == ("Beans", None, 30)


def test_json_lines_have_the_fields_of_the_api(manager: Person) -> None:
    lines = [
        '{"sku": "A-1", "name": "Beans", "category": "Coffee", "price": 12.5, "attributes": {"a.b": "c"}}',
        "",
        '{"sku": "A-2", "name": "Mill", "category": "Tools", "price": 1.234}',
        '{"sku": "A-3", "name": "Mill", "colour": "red"}',
        "[]",
        '{"sku": "A-4", "sku": "A-5"}',
        '{"sku": "A-6", "name": "Mill", "category": "Tools", "price": "1", "status": "archived"}',
    ]

    it = imported(manager, "products", "\n".join(lines), format="jsonl")

    assert counts(it) == (1, 0, 0, 5)
    assert errors(it) == [
        (2, "validation-failed", "#/price"),
        (3, "validation-failed", "#/colour"),
        (4, "malformed-json", "#"),
        (5, "malformed-json", "#"),
        (6, "validation-failed", "#/status"),
    ]
    assert stored("A-1").product.attributes == {"a.b": "c"}


def test_create_refuses_what_exists(manager: Person, product: Callable[..., str]) -> None:
    product()

    it = imported(manager, "products", "sku,name,category,price\nSKU-1,A,B,1\nNEW,A,B,1\n", mode="create")

    assert (counts(it), errors(it)) == ((1, 0, 0, 1), [(1, "sku-taken", "#/sku")])


def test_prices_change_and_create_nothing(manager: Person, product: Callable[..., str]) -> None:
    product(price="5")
    product(price="6")

    it = imported(manager, "prices", "price,sku\n5.00,SKU-1\n7.5,SKU-2\n1,NONE\n-1,SKU-1\n,SKU-1\n")

    assert (counts(it), stored("SKU-2").product.price) == ((0, 1, 1, 3), 750)
    assert errors(it) == [
        (3, "not-found", "#/sku"),
        (4, "validation-failed", "#/price"),
        (5, "validation-failed", "#/price"),
    ]


def test_a_dry_run_writes_nothing_and_has_the_same_result(manager: Person, product: Callable[..., str]) -> None:
    product()
    rows = "sku,name,category,price\nSKU-1,Other,Tools,1\nNEW,New,Tools,2\nBAD,Bad,Tools,x\nsku-9,,Tools,2\n"

    dry = imported(manager, "products", rows, dry_run=True)
    before = stored("SKU-1").product.version, skus.ids_of(["NEW"])
    real = imported(manager, "products", rows)

    assert before == (1, {})
    assert counts(dry) == counts(real) == (1, 1, 0, 2)
    assert result(dry) == result(real) != b""


# ---- whole files ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "failure", "detail"),
    [
        ("price\n1\n", "bad-header", "The column sku is missing."),
        ("sku;price\nA;1\n", "bad-header", "There is no column 'sku;price'"),
        ("sku,price,price\nA,1,1\n", "bad-header", "A column is named twice."),
        ("sku,price,cost\nA,1,1\n", "bad-header", "There is no column 'cost'"),
        ("\n\n", "bad-header", "The file has no header."),
        ("sku,price\nSKU-1,3\nä,1\n".encode("latin-1"), "bad-encoding", "at offset 18"),
        ("sku,price\nSKU-1,3\n".encode("utf-16"), "bad-encoding", "at offset 0"),
        (b"\x1f\x8b\x08sku,price", "bad-encoding", "without compression"),
        (b"sku,price\nSKU-1,3\n\xe2\x82", "bad-encoding", "at offset 18"),
    ],
)
def test_a39_a_bad_file_fails_before_anything_is_written(
    manager: Person, product: Callable[..., str], content: str | bytes, failure: str, detail: str
) -> None:
    product(price="5")

    it = imported(manager, "prices", content)

    assert (it.status, it.failure, counts(it)) == ("failed", failure, (0, 0, 0, 0))
    assert detail in str(it.failure_detail)
    assert stored("SKU-1").product.price == 500


def test_a39_a_file_that_is_replaced_after_the_start_fails(manager: Person, product: Callable[..., str]) -> None:
    made = product(stock=1)
    it = started(manager, "stock", "sku,on_hand\nSKU-1,5\n")
    upload(it, "sku,on_hand\nSKU-1,9\n")

    it = process_until_finished(it)

    assert (it.status, it.failure, on_hand(made)) == ("failed", "file-changed", [1])


def test_a39_a_row_that_is_too_long_fails_alone(
    manager: Person, product: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "MAX_RECORD_BYTES", 50)
    monkeypatch.setattr("oms.imports.files._READ_BYTES", 20)
    product(stock=1)
    long = "SKU-1," + "9" * 200

    it = imported(manager, "stock", f'sku,on_hand\n{long}\nSKU-1,"{long}\nSKU-1,4\n{long}')

    assert errors(it) == [(1, "row-too-long", "#"), (2, "row-too-long", "#"), (4, "row-too-long", "#")]
    assert stored("SKU-1").stock.available == 4


def test_a39_an_import_with_too_many_errors_ends(manager: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "MAX_FAILED", 4)

    it = imported(manager, "stock", "sku,on_hand\n" + "".join(f"S{number},1\n" for number in range(20)))

    assert (it.status, it.failure, it.failed, len(errors(it))) == ("failed", "too-many-errors", 6, 6)


def test_only_the_result_stays(manager: Person) -> None:
    it = imported(manager, "stock", "sku,on_hand\nNONE,1\n")

    assert objects() == [f"results/{it.id}-000001.jsonl"]


# ---- time, throttling and failures ----------------------------------------------------------------------------------


def test_an_import_continues_by_its_queue_when_its_time_ends(manager: Person, product: Callable[..., str]) -> None:
    ids = [product(stock=0) for _ in range(8)]
    content = "sku,on_hand\n" + "".join(f"SKU-{number},{number}\n" for number in range(1, 9))
    it = started(manager, "stock", content)

    left = iter([True, True])
    assert process_once(it, has_time=lambda: next(left, False))
    halfway = now(it)
    it = process_until_finished(it)

    assert (halfway.status, halfway.rows) == ("running", 6)
    assert (it.status, it.rows, counts(it), on_hand(*ids)) == ("done", 8, (0, 8, 0, 0), list(range(1, 9)))


def test_throttled_rows_are_tried_again_and_none_fails(manager: Person, product: Callable[..., str]) -> None:
    product(stock=0)
    throttled = failing("ProvisionedThroughputExceededException")

    with intercepted(refuse("TransactWriteItems", throttled, times=3)):
        it = imported(manager, "stock", "sku,on_hand\nSKU-1,5\n")

    assert counts(it) == (0, 1, 0, 0)


def test_an_import_that_cannot_be_written_fails_after_its_last_try(
    manager: Person, product: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    product(stock=0)
    it = started(manager, "stock", "sku,on_hand\nSKU-1,5\n")

    def refuse_all(*_: Any, **__: Any) -> Any:
        raise UnavailableError

    monkeypatch.setattr("oms.imports.worker.apply", refuse_all)
    assert not process_once(it, tries=4)
    assert process_once(it, tries=5)

    assert (now(it).status, now(it).failure) == ("failed", "internal-error")


def test_a_message_of_an_unknown_import_is_dropped() -> None:
    assert process_once(Import(*Import.key("NONE"), id="NONE"))
