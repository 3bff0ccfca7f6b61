// PosternNIO
