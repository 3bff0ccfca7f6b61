// PosternClient
