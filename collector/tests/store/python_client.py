"""What a user of clickhouse-connect does, with the client's default settings: `script.py HOST PORT`."""

import sys

import clickhouse_connect

host, port = sys.argv[1], int(sys.argv[2])
client = clickhouse_connect.get_client(host=host, port=port)
print("database", client.query("SELECT currentDatabase()").result_rows[0][0])
client.command("CREATE TABLE python (a UInt64, b String, c Array(UInt16)) ENGINE = MergeTree ORDER BY a")
rows = [(number, f"row {number}", [number % 7] * 3) for number in range(200_000)]
for compression in [None, "lz4", "zstd", "gzip", False]:
    if compression is None:
        one = client
    else:
        one = clickhouse_connect.get_client(host=host, port=port, compress=compression)
    one.command("TRUNCATE TABLE python")
    one.insert("python", rows, column_names=["a", "b", "c"])
    found = one.query("SELECT a, b, c FROM python ORDER BY a").result_rows
    assert [tuple(row) for row in found] == rows, compression
    assert one.query("SELECT count() FROM python WHERE a < {most:UInt64}", parameters={"most": 5}).result_rows[0][0] == 5
    try:
        one.query("SELECT nosuch")
        raise SystemExit("an unknown column is no error")
    except clickhouse_connect.driver.exceptions.DatabaseError as error:
        assert "UNKNOWN_IDENTIFIER" in str(error), error
    print("compression", compression, one.write_compression, one.compression)
