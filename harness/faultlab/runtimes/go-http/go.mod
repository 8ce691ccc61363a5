module faultlab/httpdriver

go 1.24
