_base_ = []
a = {{$MM_TEST_UNSET:80}}
