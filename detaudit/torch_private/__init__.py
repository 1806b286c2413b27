"""The one place where private names of torch are touched, each under a name that says what it does.

`names` lists all of them, each with what stops working where it is gone; a test holds every entry against the
torch that is there, and another one holds every other file of detaudit free of them. `names`, `supported`,
`by_name`, `loaded` and `spot` import no torch. Names of operators in a trace (`aten::_to_copy`) are values,
and not meant here.
"""
