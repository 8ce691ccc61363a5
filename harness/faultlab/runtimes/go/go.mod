module faultlab/driver

go 1.24
