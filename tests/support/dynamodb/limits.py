"""DynamoDB's limits, in bytes unless the name says otherwise.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html, and the API reference of each
operation.
"""

ITEM = 400 * 1024
PARTITION_KEY = 2048
SORT_KEY = 1024
ATTRIBUTE_NAME = 65535
KEY_NAME = 255
NESTING_LEVELS = 32
NUMBER_DIGITS = 38
# The exponents of the largest and the smallest magnitude: 9.99e125 and 1e-130.
NUMBER_EXPONENTS = range(-130, 126)

EXPRESSION = 4096
EXPRESSION_OPERATORS = 300
IN_OPERANDS = 100
PLACEHOLDER = 255
VALUES = 2 * 1024 * 1024

PAGE = 1024 * 1024
BATCH_GET_KEYS = 100
BATCH_GET = 16 * 1024 * 1024
BATCH_WRITE_REQUESTS = 25
BATCH_WRITE = 16 * 1024 * 1024
TRANSACTION_OPERATIONS = 100
TRANSACTION = 4 * 1024 * 1024

READ_UNIT = 4096
WRITE_UNIT = 1024
